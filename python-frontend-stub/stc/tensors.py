"""Weights as bytes, from whatever holds numbers, and the safetensors file they are written to."""
from __future__ import annotations

import ctypes
import json
import math
import os
import struct
import sys
import tempfile
from array import array
from dataclasses import dataclass
from typing import Any, BinaryIO, Callable, Dict, List, Mapping, Sequence, Tuple

from .errors import GraphError

#: safetensors' names of the element types that stc reads as weights, and IR's names of them.
ELEMENT_TYPES = {"F32": "f32", "F16": "f16", "BF16": "bf16"}
_ELEMENT_BYTES = {"F32": 4, "F16": 2, "BF16": 2}


@dataclass(frozen=True)
class Tensor:
    """A weight: little-endian, row-major `data` of element type `dtype` (F32, F16 or BF16).

    Shapes have one or two sizes, each positive.
    """

    dtype: str
    shape: Tuple[int, ...]
    data: bytes

    def __post_init__(self) -> None:
        if self.dtype not in ELEMENT_TYPES:
            raise GraphError(f"a weight: expected one of {', '.join(ELEMENT_TYPES)}, "
                             f"got {self.dtype}")
        if not 1 <= len(self.shape) <= 2 or min(self.shape) < 1:
            raise GraphError(f"a weight: expected 1 or 2 positive sizes, got {list(self.shape)}")
        expected = _ELEMENT_BYTES[self.dtype]
        for size in self.shape:
            expected *= size
        if len(self.data) != expected:
            raise GraphError(f"a weight of {self.dtype} {list(self.shape)}: expected {expected} "
                             f"bytes, got {len(self.data)}")

    @property
    def ir_type(self) -> str:
        """The weight's type in IR, such as tensor<4x4xbf16>."""
        return f"tensor<{'x'.join(map(str, self.shape))}x{ELEMENT_TYPES[self.dtype]}>"


def _from_nested(data: Sequence[Any]) -> Tensor:
    """A Tensor of nested lists of numbers, as F32."""
    rows = [list(row) if isinstance(row, (list, tuple)) else row for row in data]
    if not rows:
        raise GraphError("a weight: expected at least one number, got an empty list")
    nested = [isinstance(row, list) for row in rows]
    if not any(nested):
        shape: Tuple[int, ...] = (len(rows),)
        flat = rows
    elif all(nested) and len({len(row) for row in rows}) == 1:
        shape = (len(rows), len(rows[0]))
        flat = [value for row in rows for value in row]
    else:
        raise GraphError("a weight: expected rows of equal length, got others")
    try:
        values = array("f", flat)
    except (TypeError, OverflowError) as error:
        raise GraphError(f"a weight: expected numbers that fit f32, got {error}") from None
    for given, kept in zip(flat, values):
        if math.isinf(kept) and not math.isinf(given):
            raise GraphError(f"a weight: expected numbers that fit f32, got {given}")
    if sys.byteorder != "little":
        values.byteswap()
    return Tensor("F32", shape, values.tobytes())


def _from_numpy(data: Any) -> Tensor:
    """A Tensor of anything with numpy's interface. float64 becomes F32."""
    name = data.dtype.name
    if name == "float64":
        data, name = data.astype("float32"), "float32"
    names = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}
    if name not in names:
        raise GraphError(f"a weight: expected float32, float16, bfloat16 or float64, got {name}")
    if data.dtype.byteorder == ">":
        data = data.astype(data.dtype.newbyteorder("<"))
    return Tensor(names[name], tuple(int(size) for size in data.shape), data.tobytes())


def _from_torch(data: Any) -> Tensor:
    """A Tensor of a torch tensor, without numpy. float64 becomes F32."""
    torch = sys.modules["torch"]
    data = data.detach().cpu()
    if data.dtype == torch.float64:
        data = data.float()
    names = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}
    if data.dtype not in names:
        raise GraphError(f"a weight: expected float32, float16, bfloat16 or float64, "
                         f"got {data.dtype}")
    data = data.contiguous()
    raw = ctypes.string_at(data.data_ptr(), data.numel() * data.element_size())
    return Tensor(names[data.dtype], tuple(data.shape), raw)


def as_tensor(data: Any) -> Tensor:
    """A Tensor of a Tensor, a torch tensor, a numpy array, or a (nested) list of numbers."""
    if isinstance(data, Tensor):
        return data
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(data, torch.Tensor):
        return _from_torch(data)
    if hasattr(data, "dtype") and hasattr(data, "tobytes"):
        return _from_numpy(data)
    if isinstance(data, (list, tuple)):
        return _from_nested(data)
    raise GraphError(f"a weight: expected a list, a numpy array, a torch tensor or an stc.Tensor, "
                     f"got {type(data).__name__}")


def write_atomically(path: str, write: Callable[[BinaryIO], None]) -> None:
    """Has `write` fill a temporary file beside `path` and renames it: `path` is whole or not there.

    The file gets the permissions that open() would have given it.
    """
    directory, name = os.path.split(os.path.abspath(path))
    handle, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=directory)
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def write_safetensors(path: str, tensors: Mapping[str, Tensor]) -> None:
    """Writes `tensors` by name in the safetensors format.

    Eight bytes of header length, a JSON header padded with blanks to a multiple of 8, the bytes.
    (https://github.com/huggingface/safetensors, "Format".)
    """
    header: Dict[str, Dict[str, Any]] = {}
    offset = 0
    for name, tensor in tensors.items():
        end = offset + len(tensor.data)
        header[name] = {"dtype": tensor.dtype, "shape": list(tensor.shape),
                        "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)

    def write(file: BinaryIO) -> None:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors.values():
            file.write(tensor.data)

    write_atomically(path, write)


__all__: List[str] = ["ELEMENT_TYPES", "Tensor", "as_tensor", "write_atomically",
                      "write_safetensors"]
