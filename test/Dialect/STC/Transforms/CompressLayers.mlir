// stc-compress-layers: methods by name and by default, what is left alone, and that repair helps.
// RUN: %python %S/Inputs/calibrated_model.py %t.mlir %t.ids
// RUN: stc-opt %t.mlir --stc-compress-layers='calibrate=%t.ids length=16 prune=2:4' | FileCheck %s --check-prefix=PRUNE
// RUN: stc-opt %t.mlir --stc-compress-layers='calibrate=%t.ids length=16 quantize=int4-g32 exclude=*.o' | FileCheck %s --check-prefix=QUANTIZE
// RUN: stc-opt %t.mlir --stc-compress-layers='calibrate=%t.ids length=16 prune=0.5 quantize=int4-g32 verbose=true' 2>&1 | FileCheck %s --check-prefix=BOTH
// RUN: stc-opt %t.mlir --stc-compress-layers='calibrate=%t.ids length=16 quantize=awq:int4-g32' | FileCheck %s --check-prefix=AWQ
// RUN: stc-opt %t.mlir --stc-compress-layers='calibrate=%t.ids length=16 sequences=8 prune=none' | FileCheck %s --check-prefix=NOTHING
// RUN: stc-opt %t.mlir --stc-compress-layers='calibrate=%t.ids length=16 sequences=100 prune=wanda:0.5' -o /dev/null 2>&1 | FileCheck %s --check-prefix=QUIET --allow-empty
// RUN: stc-opt %t.mlir --stc-compress-layers='calibrate=%t.ids length=100 prune=wanda:0.5' -o /dev/null 2>&1 | FileCheck %s --check-prefix=FEW
// RUN: stc-opt %t.mlir --stc-compress-layers='calibrate=%t.ids length=16 prune=2:4' --stc-compress-layers='calibrate=%t.ids length=16 prune=2:8' | FileCheck %s --check-prefix=PRUNE

// PRUNE: stc.weight @embed : tensor<32x32xf32> {value
// PRUNE: stc.weight @layers.0.q {{.*}}prune = #stc.prune<"alps:2:4", density = 5.000000e-01 : f64>, stc.calibrated
// PRUNE: stc.weight @layers.0.down {{.*}}prune = #stc.prune<"alps:2:4", density = 5.000000e-01 : f64>, stc.calibrated

// QUANTIZE: stc.weight @layers.0.q {{.*}}quant = #stc.quant<"gptq:int4-g32", error = {{[0-9.e-]+}} : f64>, stc.calibrated
// QUANTIZE: stc.weight @layers.0.o
// QUANTIZE-NOT: quant =
// QUANTIZE: stc.weight @layers.0.gate {{.*}}quant = #stc.quant<"gptq:int4-g32"

// BOTH: remark: layers.0.q: pruned as sparsegpt:0.5, density 0.5000, quantized as gptq:int4-g32, relative output error 0.{{[0-9]+}}
// BOTH: remark: layers.0.down: pruned as sparsegpt:0.5

// AWQ: @layers.0.q {{.*}}quant = #stc.quant<"awq:int4-g32"

// NOTHING-NOT: stc.calibrated
// QUIET-NOT: warning
// FEW: warning: calibrate: only 10 sequences of 100 tokens
