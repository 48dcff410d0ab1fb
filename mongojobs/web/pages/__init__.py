"""The pages: each module has the views of one screen, and ``web.routes`` names them with their addresses."""
