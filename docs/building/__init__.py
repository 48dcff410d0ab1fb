"""What our site has beyond Sphinx.

- ``links``: links that work on GitHub work on the site
- ``tree``: ``index.md`` makes the menu, ``llms.txt``, and each page has its text beside it
- ``reference``: pages that are made of the code: names, commands, settings
- ``words``: where code breaks on a narrow screen
- ``offline``: a site that asks nothing of anybody else
"""
