"""dotlib: discriminator optimal transport and the experiments around it.

Import the module that you need, for example ``from dotlib import transport``; the package itself
imports nothing, so that each module costs only what it uses.
"""

__version__ = "0.1.0"
