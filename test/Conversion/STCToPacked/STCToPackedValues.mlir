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

// The IR may be written out and read back between compressing and packing.

// RUN: stc-opt %{model} --stc-prune=spec=0.75 --stc-quantize=spec=int4 | stc-opt %{pack} --stc-interpret='%{tokens}' -o %t.ir > %t.again
// RUN: diff %t.prefill %t.again
