"""What kernels do to memory and numba has no words for, written as LLVM instructions.

:mod:`eicpy.packets.bits` offers these functions to kernels, and imports this module, and with it numba, when
the first kernel is compiled.
"""

import os
from collections.abc import Callable
from functools import reduce
from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = [
    "LANES",
    "address_of",
    "copy_64",
    "fetch_ahead",
    "get_8",
    "get_32",
    "get_64",
    "lanes",
    "load64",
    "multiply_without_carry",
    "put_8",
    "put_16",
    "put_32",
    "put_64",
    "signed_field",
    "store64",
    "sum_of_products",
    "unsigned_field",
]


def _pointer(context: Any, builder: Any, kind: Any, array: Any, index: Any, bits: int) -> Any:
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), ir.IntType(bits).as_pointer())


def _load64(_typing: Any, array: Any, _index: Any) -> Any:

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, signature.args[0], arguments[0], arguments[1], 64)
        word = builder.load(pointer)
        word.align = 1
        return builder.bswap(word)

    return types.uint64(array, types.intp), generate


load64: Callable[..., Any] = intrinsic(_load64)
"""load64(array, byte): eight bytes from any address as a big-endian number; bounds are the caller's."""


def _store64(_typing: Any, array: Any, _index: Any, _value: Any) -> Any:

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, signature.args[0], arguments[0], arguments[1], 64)
        builder.store(builder.bswap(arguments[2]), pointer).align = 1
        return context.get_dummy_value()

    return types.void(array, types.intp, types.uint64), generate


store64: Callable[..., Any] = intrinsic(_store64)
"""store64(array, byte, word): write a number as eight big-endian bytes; bounds are the caller's."""


def _multiply(_typing: Any, _left: Any, _right: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word = ir.IntType(64)
        pair = ir.VectorType(word, 2)
        lane_type = ir.IntType(32)
        if not LANES:  # never called
            return context.make_tuple(builder, signature.return_type, arguments)
        low, high = (
            builder.insert_element(ir.Constant(pair, ir.Undefined), value, lane_type(0))
            for value in arguments
        )
        name = "llvm.x86.pclmulqdq"
        kind = ir.FunctionType(pair, [pair, pair, ir.IntType(8)])
        function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
        product = builder.call(function, [low, high, ir.IntType(8)(0)])
        halves = [builder.extract_element(product, lane_type(i)) for i in range(2)]
        return context.make_tuple(builder, signature.return_type, halves)

    result: Any = types.UniTuple
    return result(types.uint64, 2)(types.uint64, types.uint64), generate


multiply_without_carry: Callable[..., Any] = intrinsic(_multiply)
"""multiply_without_carry(a, b): product of two polynomials over GF(2), low and high 64 bits (x86)."""


def _address_of(_typing: Any, array: Any) -> Any:

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.ptrtoint(data, ir.IntType(64))

    return types.int64(array), generate


address_of: Callable[..., Any] = intrinsic(_address_of)
"""address_of(array): where its first byte stands in memory; good as long as the caller holds the array.

What is handed an array counts a reference to it, at some 5 ns a call; an address costs nothing.
"""


def _place(builder: Any, address: Any, byte: Any, bits: int) -> Any:
    # A fixed pointer and a distance from it: with the sum as a number, no loop would become vector code.
    base = builder.inttoptr(address, ir.IntType(8).as_pointer())
    return builder.bitcast(builder.gep(base, [byte]), ir.IntType(bits).as_pointer())


def _get(width: int) -> Callable[..., Any]:
    def get(_typing: Any, _address: Any, _byte: Any) -> Any:
        def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            word = builder.load(_place(builder, arguments[0], arguments[1], width))
            word.align = 1
            word = word if width == 8 else builder.bswap(word)
            return word if width == 64 else builder.zext(word, ir.IntType(64))

        return types.uint64(types.int64, types.int64), generate

    got: Callable[..., Any] = intrinsic(get)
    return got


# get_N(address, byte): N bits as a big-endian number; bounds are the caller's.
get_8 = _get(8)
get_32 = _get(32)
get_64 = _get(64)


def _put(width: int) -> Callable[..., Any]:
    def put(_typing: Any, _address: Any, _byte: Any, _value: Any) -> Any:
        def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            pointer = _place(builder, arguments[0], arguments[1], width)
            narrow = arguments[2] if width == 64 else builder.trunc(arguments[2], ir.IntType(width))
            builder.store(narrow, pointer).align = width // 8
            return context.get_dummy_value()

        return types.void(types.int64, types.int64, types.uint64), generate

    stored: Callable[..., Any] = intrinsic(put)
    return stored


# put_N(address, byte, word): write the low bits of a word as a native number; bounds are the caller's.
put_8 = _put(8)
put_16 = _put(16)
put_32 = _put(32)
put_64 = _put(64)


def _field(name: str, *, signed: bool) -> Callable[..., Any]:
    def field(_typing: Any, _address: Any, _index: Any, _left: Any, _right: Any) -> Any:
        def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            address, index, left, right = arguments
            half = ir.IntType(32)
            byte = builder.mul(index, ir.IntType(64)(4))
            word = builder.load(_place(builder, address, byte, 32))
            word.align = 4
            word = builder.shl(word, builder.trunc(left, half))
            # In 32 bits throughout: twice as many numbers in a vector as with 64.
            shifted = (builder.ashr if signed else builder.lshr)(word, builder.trunc(right, half))
            return (builder.sext if signed else builder.zext)(shifted, ir.IntType(64))

        return types.uint64(*[types.int64] * 4), generate

    field.__name__ = name
    taken: Callable[..., Any] = intrinsic(field)
    return taken


# X_field(address, index, left, right): a native number of 32 bits, shifted left and then right.
signed_field = _field("signed_field", signed=True)
unsigned_field = _field("unsigned_field", signed=False)


def _copy64(_typing: Any, _source: Any, _from: Any, _target: Any, _to: Any) -> Any:
    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        word = builder.load(_place(builder, arguments[0], arguments[1], 64))
        word.align = 1
        builder.store(word, _place(builder, arguments[2], arguments[3], 64)).align = 1
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64, types.int64), generate


copy_64: Callable[..., Any] = intrinsic(_copy64)
"""copy_64(address, byte, to_address, to_byte): copy eight bytes as they are; bounds are the caller's."""


def _lanes() -> int:
    if os.environ.get("NUMBA_CPU_NAME") or os.environ.get("NUMBA_CPU_FEATURES"):
        return 0
    features = binding.get_host_cpu_features()
    if not features.get("pclmul", False):
        return 0
    if not features.get("vpclmulqdq", False):
        return 2
    return 8 if features.get("avx512f", False) and features.get("avx512bw", False) else 4


LANES = _lanes()
"""How many words at once the processor that numba compiles for multiplies without carry; 0 if it cannot."""


def _lanes_constant(_typing: Any) -> Any:
    def generate(_context: Any, _builder: Any, _signature: Any, _arguments: Any) -> Any:
        return ir.Constant(ir.IntType(64), LANES)

    return types.int64(), generate


lanes: Callable[..., Any] = intrinsic(_lanes_constant)
"""lanes(): `LANES`, as a constant of the machine code."""


def _sum_of_products(
    _typing: Any, _source: Any, _byte: Any, _factors: Any, _factor_byte: Any, _words: Any
) -> Any:
    word, lane_type = ir.IntType(64), ir.IntType(32)
    vector = ir.VectorType(word, max(LANES, 1))

    def called(builder: Any, name: str, *arguments: Any) -> Any:
        kind = ir.FunctionType(vector, [argument.type for argument in arguments])
        function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
        return builder.call(function, arguments)

    def loaded(builder: Any, address: Any, byte: Any) -> Any:
        pointer = builder.bitcast(_place(builder, address, byte, 8), vector.as_pointer())
        value = builder.load(pointer)
        value.align = 1
        return value

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, byte, factors, factor_byte, words = arguments
        if not LANES:  # never called
            return context.make_tuple(builder, signature.return_type, [source, byte])
        multiply = "llvm.x86.pclmulqdq" + {2: "", 4: ".256", 8: ".512"}[LANES]
        zeros = ir.Constant(vector, [0] * LANES)
        total = cgutils.alloca_once_value(builder, zeros)  # type: ignore[no-untyped-call]  # of numba
        with cgutils.for_range_slice(builder, word(0), words, word(LANES), word) as (index, _):
            ahead = builder.mul(index, word(8))
            left = loaded(builder, source, builder.add(byte, ahead))
            left = called(builder, f"llvm.bswap.v{LANES}i64", left)
            right = loaded(builder, factors, builder.add(factor_byte, ahead))
            even = called(builder, multiply, left, right, ir.IntType(8)(0x00))
            odd = called(builder, multiply, left, right, ir.IntType(8)(0x11))
            builder.store(builder.xor(builder.load(total), builder.xor(even, odd)), total)
        lanes = [builder.extract_element(builder.load(total), lane_type(i)) for i in range(LANES)]
        halves = [reduce(builder.xor, lanes[half::2]) for half in (0, 1)]
        return context.make_tuple(builder, signature.return_type, halves)

    result: Any = types.UniTuple
    return result(types.uint64, 2)(*[types.int64] * 5), generate


sum_of_products: Callable[..., Any] = intrinsic(_sum_of_products)
"""sum_of_products(address, byte, factors, factor_byte, words): sum over GF(2) of the products of big-endian
words with as many native factors, low and high 64 bits; their number is a multiple of `LANES` (x86)."""


def _fetch(_typing: Any, _address: Any, _byte: Any) -> Any:
    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        number = ir.IntType(32)
        pointer = _place(builder, arguments[0], arguments[1], 8)
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, number, number, number])
        name = "llvm.prefetch.p0i8" if str(pointer.type) == "i8*" else "llvm.prefetch.p0"
        function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
        builder.call(function, [pointer, number(0), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


fetch_ahead: Callable[..., Any] = intrinsic(_fetch)
"""fetch_ahead(address, byte): have a cache line brought near before it is needed; any address will do."""
