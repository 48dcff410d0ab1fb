"""What the commands share.

- ``options``: how flags are made, and the class of all commands
- ``global_options``: the values of the flags of all commands
- ``settings``: the settings of a command, and the app that it names
- ``importing``: imports the app, and says what went wrong
- ``flask_apps``: what `--app` names if that is of Flask
- ``opening``: opens the app, and its database
- ``choosing``: flags that choose jobs, and changes of many of them
- ``output``: tables, JSON and questions
- ``failures``: exit statuses, and errors as plain messages
- ``queue_completion``: queue names at the Tab key
- ``standard_files``: standard input, output and error, whatever they are
"""
