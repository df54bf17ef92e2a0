"""Discriminator optimal transport for any generator and discriminator, and the samplers and scores around it.

The names of the stub beside this file are the promised interface: they stay, and change with notice. Each is loaded
when it is first used, so that ``import dotlib as dot`` costs nothing.
The rest can be imported from its room, and may move.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
