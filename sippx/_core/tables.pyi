"""Typed view of tables.pyx: numpy dtypes of the rows of a compiled program."""

from typing import Any

import numpy as np

STEP_DTYPE: np.dtype[Any]
PIECE_DTYPE: np.dtype[Any]
PAUSE_DTYPE: np.dtype[Any]
ACTION_DTYPE: np.dtype[Any]
CREDENTIALS_DTYPE: np.dtype[Any]
