"""From a part of a source to files: alone, beside the other parts, and on all cores of the machine."""
