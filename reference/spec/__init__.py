"""A64, written once: a folder per encoding group of the Arm ARM, a file per instruction class.

A definition reads like the instruction's page: the encoding diagram, the decode with its UNDEFINED cases, the
operation. How to read one: fields are Bits with Arm's names; ``if`` on what the encoding says is decoding, ``If``
selects between values; ``raise Undefined`` is UNDEFINED; ``ConstrainUnpredictable`` returns the behaviour that was
chosen among those that Arm permits.

Importing this package registers every definition.
"""

import importlib
import pkgutil

for _module in pkgutil.walk_packages(__path__, __name__ + "."):
    importlib.import_module(_module.name)
