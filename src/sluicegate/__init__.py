"""Sluicegate: an MCP gateway for Trio.

Many Model Context Protocol servers behind one endpoint, each in a supervised life. Names are loaded when they are first used, so that
importing the package is quick, and so that checking a configuration never loads Trio; ``__init__.pyi`` lists them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
