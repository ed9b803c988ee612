"""Runs models that `stc compile --emit=shared` wrote, through their C interface.

include/stc/Runtime/CApi.h documents the functions behind this. A compiled library is trusted code,
like any other that a process loads.
"""
from __future__ import annotations

import codecs
import ctypes
import json
import os
import pathlib
import re
import tempfile
import threading
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, Type, Union

from .errors import ModelError

_ERROR_BYTES = 1024
_ALL_POSITIONS = 1  # stc_model_all_positions


class _Sampling(ctypes.Structure):
    """stc_model_sampling_t."""

    _fields_ = [("max_tokens", ctypes.c_int64), ("temperature", ctypes.c_double),
                ("top_k", ctypes.c_int64), ("top_p", ctypes.c_double), ("min_p", ctypes.c_double),
                ("repeat_penalty", ctypes.c_double), ("seed", ctypes.c_uint64),
                ("ignore_eos", ctypes.c_int)]


class _Constraint(ctypes.Structure):
    """stc_model_constraint_t."""

    _fields_ = [("size", ctypes.c_size_t), ("stop", ctypes.POINTER(ctypes.c_char_p)),
                ("stop_count", ctypes.c_int64), ("grammar", ctypes.c_char_p),
                ("json_schema", ctypes.c_char_p), ("end_tokens", ctypes.POINTER(ctypes.c_int32)),
                ("end_count", ctypes.c_int64)]


class _Message(ctypes.Structure):
    """stc_model_message_t."""

    _fields_ = [("role", ctypes.c_char_p), ("content", ctypes.c_char_p)]


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int32, ctypes.c_void_p,
                             ctypes.c_size_t)


@dataclass(frozen=True)
class Generated:
    """What a model wrote: token ids, and their text ("" without a tokenizer)."""

    tokens: Tuple[int, ...]
    text: str


def _prefix(library: pathlib.Path) -> str:
    """The prefix of a library's functions: its name as a C identifier, as `stc` makes it.

    `stc compile -o OUT` takes OUT's file name without the last suffix; the library is OUT.so.
    """
    name = pathlib.Path(library.stem).stem
    name = re.sub(r"[^A-Za-z0-9]", "_", name)
    return name if name and not name[0].isdigit() else "model_" + name


def _load(path: pathlib.Path) -> ctypes.CDLL:
    """Loads a library under a name of its own.

    The loader knows libraries by their names: one that was compiled again under the name of one in
    use would be the old one.
    """
    with tempfile.TemporaryDirectory(prefix="stc-") as directory:
        name = os.path.join(directory, path.name)
        os.symlink(path, name)
        return ctypes.CDLL(name)


class Model:
    """A compiled model and one text in it: the tokens it has read so far.

    library: OUT.so; weights: by default OUT.weights beside it. threads: 0 for all processors.
    prefix: of the library's functions, where the file was renamed after it was compiled.

    Calls on one model wait for each other; different models run at the same time. A model is a
    context manager: `with stc.Model("books.so") as model: ...` closes it.
    """

    def __init__(self, library: Union[str, "os.PathLike[str]"],
                 weights: Optional[Union[str, "os.PathLike[str]"]] = None, *, threads: int = 0,
                 prefix: Optional[str] = None) -> None:
        path = pathlib.Path(library).absolute()  # a bare name would be looked up elsewhere
        self._handle: Optional[int] = None
        self._lock = threading.RLock()
        self._pending: List[int] = []  # generated, but not part of the text yet
        if not path.is_file():
            raise ModelError(f"{library}: expected a library (stc compile --emit=shared), "
                             "got no such file")
        try:
            self._library = _load(path)
        except OSError as error:
            raise ModelError(f"{library}: expected a library that loads, got {error}") from None
        self._prefix = prefix or _prefix(path)
        self._declare(str(library))
        where = os.fspath(weights) if weights is not None else str(path.with_suffix(".weights"))
        error_text = ctypes.create_string_buffer(_ERROR_BYTES)
        self._handle = self._open(where.encode(), threads, error_text, _ERROR_BYTES)
        if not self._handle:
            raise ModelError(error_text.value.decode(errors="replace"))

    def _declare(self, library: str) -> None:
        """Looks the functions up and gives them the types of the header."""
        c, i32s, floats = ctypes, ctypes.POINTER(ctypes.c_int32), ctypes.POINTER(ctypes.c_float)
        error = [c.c_char_p, c.c_size_t]
        model = c.c_void_p

        def function(name: str, result: Any, *arguments: Any) -> Any:
            try:
                found = getattr(self._library, f"{self._prefix}_{name}")
            except AttributeError:
                raise ModelError(f"{library}: expected a function {self._prefix}_{name} (a library "
                                 "of stc compile --emit=shared under its first name, or prefix=), "
                                 "got none") from None
            found.restype, found.argtypes = result, list(arguments)
            return found

        self._open = function("open", model, c.c_char_p, c.c_int, *error)
        self._close = function("close", None, model)
        self._vocab_size = function("vocab_size", c.c_int64, model)
        self._max_context = function("max_context", c.c_int64, model)
        self._reset = function("reset", None, model)
        self._logits = function("logits", c.c_int, model, i32s, c.c_int64, floats, c.c_int, *error)
        self._hidden_size = function("hidden_size", c.c_int64, model)
        self._embed = function("embed", c.c_int, model, i32s, c.c_int64, floats, *error)
        self._pixel_count = function("pixel_count", c.c_int64, model)
        self._read_image = function("read_image", c.c_int, model, c.c_char_p, c.c_size_t, floats,
                                    *error)
        self._embed_pixels = function("embed_pixels", c.c_int, model, floats, floats, *error)
        self._label_count = function("label_count", c.c_int64, model)
        self._label = function("label", c.c_char_p, model, c.c_int64)
        self._classify_pixels = function("classify_pixels", c.c_int, model, floats, floats, *error)
        self._generate = function("generate_constrained", c.c_int64, model, i32s, c.c_int64,
                                  c.POINTER(_Sampling), c.POINTER(_Constraint), _Callback,
                                  c.c_void_p, *error)
        self._chat_tokens = function("chat_tokens", c.c_int64, model, c.POINTER(_Message),
                                     c.c_int64, i32s, c.c_int64, i32s, *error)
        self._tokenize = function("tokenize", c.c_int64, model, c.c_char_p, c.c_size_t, c.c_int,
                                  i32s, c.c_int64, *error)
        self._detokenize = function("detokenize", c.c_int64, model, i32s, c.c_int64, c.c_char_p,
                                    c.c_size_t, *error)

    # Life

    def close(self) -> None:
        """Frees the model; any later call is a ModelError. Closing twice is allowed."""
        with self._lock:
            if self._handle:
                self._close(self._handle)
            self._handle = None

    def __enter__(self) -> "Model":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], value: Any, trace: Any) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self.close()

    def _open_handle(self) -> int:
        if not self._handle:
            raise ModelError("model: expected an open one, got a closed one")
        return self._handle

    # What it is

    @property
    def vocab_size(self) -> int:
        """The number of token ids."""
        return int(self._vocab_size(self._open_handle()))

    @property
    def max_context(self) -> int:
        """The most tokens one text can have."""
        return int(self._max_context(self._open_handle()))

    @property
    def hidden_size(self) -> int:
        """The columns of a hidden state, and of an encoder's vectors."""
        return int(self._hidden_size(self._open_handle()))

    # What it does

    def reset(self) -> None:
        """Forgets the text."""
        with self._lock:
            self._reset(self._open_handle())
            self._pending = []

    def logits(self, tokens: Sequence[int], *, all_positions: bool = False,
               append: bool = False) -> Any:
        """The logits after `tokens`: float32 [vocab_size], or [tokens, vocab_size].

        A numpy array, or (nested) lists where numpy is absent. A new text begins unless `append`.
        `all_positions` gives a row after every token of this call, not only the last.
        """
        with self._lock:
            handle = self._begin(append)
            ids = self._pending + self._ids(tokens)
            rows = len(ids) if all_positions else 1
            skip = len(self._pending) if all_positions else 0
            buffer = (ctypes.c_float * (rows * self.vocab_size))()
            error = ctypes.create_string_buffer(_ERROR_BYTES)
            if self._logits(handle, _array(ids), len(ids), buffer,
                            _ALL_POSITIONS if all_positions else 0, error, _ERROR_BYTES):
                raise ModelError(error.value.decode(errors="replace"))
            self._pending = []
            return _matrix(buffer, rows, self.vocab_size, all_positions, skip)

    def embed(self, text: Union[str, Sequence[int]]) -> Any:
        """The vector of a text or of token ids, float32 [hidden_size], by an encoder.

        It is pooled and scaled as the checkpoint says. A numpy array, or a list where numpy is
        absent.
        """
        with self._lock:
            handle = self._begin(False)
            ids = self.tokenize(text) if isinstance(text, str) else self._ids(text)
            buffer = (ctypes.c_float * self.hidden_size)()
            error = ctypes.create_string_buffer(_ERROR_BYTES)
            if self._embed(handle, _array(ids), len(ids), buffer, error, _ERROR_BYTES):
                raise ModelError(error.value.decode(errors="replace"))
            return _matrix(buffer, 1, self.hidden_size, False, 0)

    @property
    def labels(self) -> List[str]:
        """What images are classified by; empty for a model that does not classify."""
        handle = self._open_handle()
        return [self._label(handle, i).decode() for i in range(self._label_count(handle))]

    def _pixels(self, handle: int, image: Union[str, "os.PathLike[str]", bytes]) -> Any:
        """The normalized pixels of an image file, given by its path or its bytes."""
        data = image if isinstance(image, bytes) else pathlib.Path(image).read_bytes()
        buffer = (ctypes.c_float * max(1, self._pixel_count(handle)))()
        error = ctypes.create_string_buffer(_ERROR_BYTES)
        if self._read_image(handle, data, len(data), buffer, error, _ERROR_BYTES):
            raise ModelError(error.value.decode(errors="replace"))
        return buffer

    def embed_image(self, image: Union[str, "os.PathLike[str]", bytes]) -> Any:
        """The vector of an image, float32 [hidden_size], by a vision transformer.

        `image` is the path or the bytes of a PNG, JPEG or binary PPM file. A numpy array, or a list
        where numpy is absent.
        """
        with self._lock:
            handle = self._begin(False)
            buffer = (ctypes.c_float * self.hidden_size)()
            error = ctypes.create_string_buffer(_ERROR_BYTES)
            if self._embed_pixels(handle, self._pixels(handle, image), buffer, error, _ERROR_BYTES):
                raise ModelError(error.value.decode(errors="replace"))
            return _matrix(buffer, 1, self.hidden_size, False, 0)

    def classify(self, image: Union[str, "os.PathLike[str]", bytes],
                 top: int = 5) -> List[Tuple[str, float]]:
        """The `top` labels with the largest logits, the largest first, of what an image shows."""
        with self._lock:
            handle = self._begin(False)
            names = self.labels
            buffer = (ctypes.c_float * max(1, len(names)))()
            error = ctypes.create_string_buffer(_ERROR_BYTES)
            if self._classify_pixels(handle, self._pixels(handle, image), buffer, error,
                                     _ERROR_BYTES):
                raise ModelError(error.value.decode(errors="replace"))
            ranked = sorted(zip(names, buffer), key=lambda pair: -pair[1])
            return [(name, float(logit)) for name, logit in ranked[:top]]

    def generate(self, prompt: Union[str, Sequence[int]], max_tokens: int = 64, *,
                 temperature: float = 0.0, top_k: int = 0, top_p: float = 1.0, min_p: float = 0.0,
                 repeat_penalty: float = 1.0, seed: int = 0, ignore_eos: bool = False,
                 append: bool = False, stop: Sequence[str] = (), grammar: Optional[str] = None,
                 json_schema: Union[None, str, Dict[str, Any]] = None,
                 end_tokens: Sequence[int] = (),
                 on_token: Optional[Callable[[int, str], Optional[bool]]] = None) -> Generated:
        """Continues `prompt`, a text or token ids, with at most `max_tokens` tokens.

        The text ends before the first of the texts `stop`, and at one of `end_tokens`. It follows
        `grammar` (in GBNF) or is JSON of `json_schema` ({} for any JSON), if one is given.

        temperature 0 is greedy. top_k 0, top_p 1, min_p 0 and repeat_penalty 1 switch those off. A
        new text begins unless `append`. `on_token(id, text)` is called for every token; True ends
        the generation. Text of a character that is not complete yet comes with a later token.
        """
        tokens: List[int] = []
        pieces: List[str] = []
        failure: List[BaseException] = []
        decoder = codecs.getincrementaldecoder("utf-8")("replace")

        def receive(user: Any, token: int, text: Optional[int], size: int) -> int:
            try:
                piece = decoder.decode(ctypes.string_at(text, size) if text and size else b"")
                pieces.append(piece)
                if token < 0:  # the rest of a text that might have become a stop text
                    return 0
                tokens.append(token)
                return 1 if on_token is not None and on_token(token, piece) else 0
            except BaseException as error:  # must not cross C; raised again below
                failure.append(error)
                return 1

        with self._lock:
            handle = self._begin(append)
            ids = self.tokenize(prompt, add_special=not append) if isinstance(prompt, str) \
                else self._ids(prompt)
            ids = self._pending + ids
            sampling = _Sampling(max_tokens, temperature, top_k, top_p, min_p, repeat_penalty,
                                 seed & (2 ** 64 - 1), int(ignore_eos))
            error = ctypes.create_string_buffer(_ERROR_BYTES)
            texts = (ctypes.c_char_p * max(1, len(stop)))(*(text.encode() for text in stop))
            schema = json.dumps(json_schema) if isinstance(json_schema, dict) else json_schema
            constraint = _Constraint(
                ctypes.sizeof(_Constraint), texts, len(stop),
                grammar.encode() if grammar is not None else None,
                schema.encode() if schema is not None else None, _array(end_tokens),
                len(end_tokens))
            count = self._generate(handle, _array(ids), len(ids), ctypes.byref(sampling),
                                   ctypes.byref(constraint), _Callback(receive), None, error,
                                   _ERROR_BYTES)
            # The last token was chosen but not read by the model.
            self._pending = tokens[-1:]
            if failure:
                raise failure[0]
            if count < 0:
                raise ModelError(error.value.decode(errors="replace"))
        pieces.append(decoder.decode(b"", True))
        return Generated(tuple(tokens), "".join(pieces))

    def chat(self, messages: Sequence[Mapping[str, str]], max_tokens: int = 256,
             **options: Any) -> Generated:
        """The model's answer to a conversation, as its chat template has it.

        messages: {"role": "system", "user" or "assistant", "content": text}. The options are those
        of `generate`; a new text begins.
        """
        tokens, end = self.chat_tokens(messages)
        if end >= 0:
            options["end_tokens"] = [*options.get("end_tokens", ()), end]
        return self.generate(tokens, max_tokens, **options)

    def chat_tokens(self, messages: Sequence[Mapping[str, str]]) -> Tuple[List[int], int]:
        """The ids of a conversation with what begins the model's answer, and the id that ends an
        answer (-1 where only the model's end of text does)."""
        with self._lock:
            handle = self._open_handle()
            array = (_Message * max(1, len(messages)))(
                *((m["role"].encode(), m["content"].encode()) for m in messages))
            capacity, end = 256, ctypes.c_int32(-1)
            while True:
                ids = (ctypes.c_int32 * capacity)()
                error = ctypes.create_string_buffer(_ERROR_BYTES)
                count = self._chat_tokens(handle, array, len(messages), ids, capacity,
                                          ctypes.byref(end), error, _ERROR_BYTES)
                if count < 0:
                    raise ModelError(error.value.decode(errors="replace"))
                if count <= capacity:
                    return list(ids[:count]), end.value
                capacity = count

    def tokenize(self, text: str, *, add_special: bool = True) -> List[int]:
        """The ids of a text, with those that mark its beginning or end if the model expects any."""
        data = text.encode()
        with self._lock:
            handle = self._open_handle()
            capacity = len(data) + 8
            while True:
                ids = (ctypes.c_int32 * capacity)()
                error = ctypes.create_string_buffer(_ERROR_BYTES)
                count = self._tokenize(handle, data, len(data), int(add_special), ids, capacity,
                                       error, _ERROR_BYTES)
                if count < 0:
                    raise ModelError(error.value.decode(errors="replace"))
                if count <= capacity:
                    return list(ids[:count])
                capacity = count

    def detokenize(self, tokens: Sequence[int]) -> str:
        """The text of token ids."""
        with self._lock:
            handle, ids = self._open_handle(), self._ids(tokens)
            capacity = 16 * len(ids) + 16
            while True:
                text = ctypes.create_string_buffer(capacity)
                error = ctypes.create_string_buffer(_ERROR_BYTES)
                count = self._detokenize(handle, _array(ids), len(ids), text, capacity, error,
                                         _ERROR_BYTES)
                if count < 0:
                    raise ModelError(error.value.decode(errors="replace"))
                if count <= capacity:
                    return text.raw[:count].decode(errors="replace")
                capacity = count

    def _begin(self, append: bool) -> int:
        handle = self._open_handle()
        if not append:
            self.reset()
        return handle

    def _ids(self, tokens: Sequence[int]) -> List[int]:
        ids = [int(token) for token in tokens]
        for token in ids:
            if not 0 <= token < self.vocab_size:
                raise ModelError(f"tokens: expected ids from 0 to {self.vocab_size - 1}, "
                                 f"got {token}")
        return ids


def _array(ids: Sequence[int]) -> Any:
    return (ctypes.c_int32 * max(1, len(ids)))(*ids)


def _matrix(buffer: Any, rows: int, columns: int, all_positions: bool, skip: int) -> Any:
    """[rows - skip, columns] of a C array, or its only row."""
    try:
        import numpy
    except ImportError:
        lists = [list(buffer[row * columns:(row + 1) * columns]) for row in range(skip, rows)]
        return lists if all_positions else lists[0]
    array = numpy.frombuffer(buffer, dtype=numpy.float32).reshape(rows, columns)[skip:].copy()
    return array if all_positions else array[0]
