"""The reference: A64 as an executable specification, and the engines that run it.

It is useful without the rest of assay64.
"""

from assay64.reference.encoding import Decoded, Definition, decode, definitions
from assay64.reference.machine import Machine, Stop
from assay64.reference.models import Model, model, model_names

__all__ = ["Decoded", "Definition", "Machine", "Model", "Stop", "decode", "definitions", "model", "model_names"]
