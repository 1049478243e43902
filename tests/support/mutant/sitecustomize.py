"""Python runs this when it starts with this folder on its path: the server becomes a mutant.

The product has no switch for its guards, and needs none.
"""

from tests.support.mutants import mutate_this_process

mutate_this_process()
