"""What is raised when no server can be given."""


class MongodError(Exception):
    """No MongoDB server can be given; the message is one sentence that says what to set or install."""


INSTEAD = "set MONGOJOBS_TEST_URI to a server's address, or put mongod on the PATH"
