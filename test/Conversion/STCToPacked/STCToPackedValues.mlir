// A packed model computes what the graph computes: exactly with float layouts, within the rounding
// of activations with quantized ones; prefill and decode agree.

// DEFINE: %{model} = %S/Inputs/TwoLayers.mlir
// DEFINE: %{compress} = --stc-prune=spec=none
// DEFINE: %{bound} = 0
// DEFINE: %{pack} = --stc-specialize-entry-points --stc-select-layouts --convert-stc-to-packed --stc-share-layers --canonicalize --cse
// DEFINE: %{tokens} = tokens=1,2,3,7,5 max=12
// DEFINE: %{run} = \
// DEFINE: stc-opt %{model} %{compress} --stc-interpret='%{tokens}' -o %t.ir > %t.graph && \
// DEFINE: stc-opt %{model} %{compress} %{pack} --stc-interpret='%{tokens}' -o %t.ir > %t.prefill && \
// DEFINE: stc-opt %{model} %{compress} %{pack} --stc-interpret='%{tokens} one-by-one=1' -o %t.ir > %t.decode && \
// DEFINE: diff %t.prefill %t.decode && \
// DEFINE: %python %S/Inputs/distance.py %t.graph %t.prefill %{bound}

// RUN: %{run}
// REDEFINE: %{compress} = --stc-prune=spec=0.5
// RUN: %{run}
// REDEFINE: %{bound} = 0.1
// REDEFINE: %{compress} = --stc-quantize=spec=int8
// RUN: %{run}
// REDEFINE: %{compress} = --stc-quantize=spec=int4
// RUN: %{run}
// REDEFINE: %{compress} = --stc-prune=spec=2:4 --stc-quantize=spec=int8
// RUN: %{run}
// REDEFINE: %{compress} = --stc-prune=spec=2:4 --stc-quantize=spec=int4
// RUN: %{run}
// REDEFINE: %{compress} = --stc-prune=spec=0.5 --stc-quantize=spec=int8
// RUN: %{run}
// REDEFINE: %{compress} = --stc-prune=spec=0.75 --stc-quantize=spec=int4
// RUN: %{run}

// Pairs, blocks, few bits, zeros of their own, and the head in few bits.
// REDEFINE: %{compress} = --stc-prune=spec=4:16 --stc-quantize=spec=int4
// RUN: %{run}
// REDEFINE: %{compress} = --stc-prune=spec=2:16 --stc-quantize=spec=int4-g64
// RUN: %{run}
// REDEFINE: %{compress} = --stc-prune=spec=1:16 --stc-quantize=spec=int4-g64
// RUN: %{run}
// REDEFINE: %{compress} = --stc-prune=spec=block16x4:0.75 --stc-quantize=spec=int8
// RUN: %{run}
// REDEFINE: %{compress} = --stc-prune=spec=block16x8:0.5 --stc-quantize=spec=int4
// RUN: %{run}
// REDEFINE: %{compress} = --stc-quantize=spec=int3
// RUN: %{run}
// REDEFINE: %{compress} = --stc-quantize=spec=int2-g128
// RUN: %{run}
// REDEFINE: %{compress} = --stc-quantize=spec=int8-asym
// RUN: %{run}
// REDEFINE: %{compress} = --stc-quantize=spec=int4-g64-asym
// RUN: %{run}
// REDEFINE: %{bound} = 0.15
// REDEFINE: %{compress} = --stc-prune=spec=2:4 --stc-quantize=spec=int2-asym
// RUN: %{run}
// REDEFINE: %{bound} = 0.1
// REDEFINE: %{compress} = --stc-quantize-head=spec=int4-g64
// RUN: %{run}
// REDEFINE: %{compress} = --stc-prune=spec=0.75 --stc-quantize=spec=int4
// RUN: %{run}

// The IR may be written out and read back between compressing and packing.

// RUN: stc-opt %{model} --stc-prune=spec=0.75 --stc-quantize=spec=int4 | stc-opt %{pack} --stc-interpret='%{tokens}' -o %t.ir > %t.again
// RUN: diff %t.prefill %t.again
