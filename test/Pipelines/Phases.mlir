// Each pipeline stc-to-P runs all phases up to P; stc-phase-P runs the passes of P alone.

// DEFINE: %{model} = %S/../Conversion/STCToPacked/Inputs/TwoLayers.mlir
// RUN: stc-opt %{model} --stc-to-graph | FileCheck %s --check-prefix=GRAPH
// RUN: stc-opt %{model} --stc-to-compressed='prune=2:4 quantize=int4-g64' | FileCheck %s --check-prefix=COMPRESSED
// RUN: stc-opt %{model} --stc-to-packed='prune=2:4 quantize=int4-g64' | FileCheck %s --check-prefix=PACKED
// RUN: stc-opt %{model} --stc-to-compressed='prune=2:4 quantize=int4-g64' | stc-opt --stc-phase-packed | FileCheck %s --check-prefix=PACKED
// RUN: stc-opt %{model} --stc-to-compressed='quantize=int3-g128-asym' | FileCheck %s --check-prefix=AUTO
// RUN: stc-opt %{model} --stc-to-compressed='quantize=int4-g64 head=none' | FileCheck %s --check-prefix=NOHEAD
// RUN: stc-opt %{model} --stc-to-compressed='head=int4' | FileCheck %s --check-prefix=ONLYHEAD
// RUN: stc-opt %{model} --stc-to-packed=verbose=1 -o %t 2>&1 | FileCheck %s --check-prefix=VERBOSE
// RUN: not stc-opt %{model} --stc-to-packed=prune=1:0 -o %t 2>&1 | FileCheck %s --check-prefix=ERROR

// GRAPH: func.func @forward
// GRAPH: stc.layer 0
// GRAPH-NOT: #stc.

// COMPRESSED: stc.weight @embed : {{[^#]*$}}
// COMPRESSED: stc.weight @embed.head {{.*}}quant = #stc.quant<"rtn:int8-g64"
// COMPRESSED: stc.weight @l0.q
// COMPRESSED-SAME: prune = #stc.prune<"magnitude:2:4", density = 5.000000e-01 : f64>
// COMPRESSED-SAME: quant = #stc.quant<"rtn:int4-g64", error = {{[0-9.e+-]+}} : f64>
// COMPRESSED: func.func @forward

// Where layers are quantized, so is the head, in groups of the same size, unless told otherwise.

// AUTO: stc.weight @embed.head {{.*}}quant = #stc.quant<"rtn:int8-g128"
// AUTO: stc.weight @l0.q {{.*}}quant = #stc.quant<"rtn:int3-g128-asym"
// NOHEAD-NOT: @embed.head
// ONLYHEAD: stc.weight @embed.head {{.*}}quant = #stc.quant<"rtn:int4-g32"
// ONLYHEAD: stc.weight @l0.q : {{[^#]*$}}

// PACKED: packed.weight @embed : !packed.weight<12x8, #packed.layout<rows, bf16>>
// PACKED: packed.weight @embed.head : !packed.weight<12x8, #packed.layout<dense, i8, group = 64>>
// PACKED: packed.weight @l0.q : !packed.weight<8x8, #packed.layout<nm, i4, group = 64, n = 2, m = 4>>
// PACKED-LABEL: func.func @prefill(
// PACKED: stc.repeat @prefill_layer({{.*}}) captures({{.*}}) first 0 weights {{\[\[}}@l0.norm, {{.*}}], [@l1.norm, {{.*}}{{\]\]}}

// Equal quantizations of the queries', keys' and values' input are one; a residual is part of its
// matmul.

// PACKED-LABEL: func.func private @prefill_layer(
// PACKED-COUNT-1: packed.quantize_activations
// PACKED-COUNT-3: packed.matmul
// PACKED: packed.attention
// PACKED: packed.quantize_activations
// PACKED: packed.matmul {{.*}} residual(
// PACKED: packed.quantize_activations
// PACKED: packed.matmul
// PACKED-NOT: gate <
// PACKED: packed.matmul {{.*}} gate <
// PACKED-NOT: stc.gated_activation
// PACKED: packed.quantize_activations
// PACKED: packed.matmul {{.*}} residual(
// PACKED-NOT: arith.addf
// PACKED-LABEL: func.func @decode(
// PACKED-LABEL: func.func @score(

// VERBOSE: remark: embed: dense-bf16, {{.*}} bits per weight: serves both embedding and head
// VERBOSE: remark: l0.norm: rows-f32

// ERROR: error: {{.*}}1:0
// ERROR-NOT: error
