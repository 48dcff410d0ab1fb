"""The pages: each module has the views of one screen."""
