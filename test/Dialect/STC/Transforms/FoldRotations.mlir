// stc-fold-rotations: the same function, other weights, and nothing more in the graph.
// RUN: %python %S/Inputs/rotation_model.py %t.mlir %t.ids
// RUN: stc-opt %t.mlir --stc-interpret='tokens=1,30,7,7,12,0 all max=32' -o /dev/null > %t.whole

// RUN: stc-opt %t.mlir --stc-fold-rotations=verbose --stc-interpret='tokens=1,30,7,7,12,0 all max=32' -o %t.rotated.mlir > %t.rotated 2> %t.remarks
// RUN: %python %S/Inputs/compare_logits.py %t.whole %t.rotated 1e-9
// RUN: FileCheck %s < %t.rotated.mlir
// RUN: FileCheck %s --check-prefix=REMARK < %t.remarks

// CHECK: stc.weight @embed : tensor<32x16xf32> {stc.rotated,
// CHECK: stc.weight @embed.head : tensor<32x16xf32> {stc.rotated,
// CHECK: stc.weight @layers.0.attn_norm {{.*}}{stc.rotated,
// CHECK: stc.weight @layers.0.q {{.*}}{stc.rotated,
// CHECK: stc.weight @layers.0.q_bias {{.*}}{value
// CHECK: stc.weight @layers.0.v_bias {{.*}}{stc.rotated,
// CHECK: stc.weight @layers.0.o {{.*}}{stc.rotated,
// CHECK: stc.weight @layers.0.o_bias {{.*}}{stc.rotated,
// CHECK: stc.weight @layers.1.down {{.*}}{stc.rotated,
// CHECK: stc.weight @final_norm {{.*}}{stc.rotated,
// CHECK: func.func @head
// CHECK: stc.get_weight @embed.head
// REMARK-DAG: remark: embed.head: no longer tied to embed, 2048 bytes more unless it is compressed
// REMARK-DAG: remark: hidden state of 16 channels rotated in blocks of 16, values of 2 of 2 layers

// What lies between values and their matrices keeps them as they are.
// RUN: sed 's/stc.cache_update %kr, %v,/stc.cache_update %kr, %kr,/' %t.mlir > %t.keys.mlir
// RUN: stc-opt %t.keys.mlir --stc-interpret='tokens=1,30,7,7,12,0 all max=32' -o /dev/null > %t.keys
// RUN: stc-opt %t.keys.mlir --stc-fold-rotations=verbose --stc-interpret='tokens=1,30,7,7,12,0 all max=32' -o /dev/null 2> %t.keys.remarks > %t.keys.rotated
// RUN: %python %S/Inputs/compare_logits.py %t.keys %t.keys.rotated 1e-9
// RUN: FileCheck %s --check-prefix=KEYS < %t.keys.remarks
// KEYS: remark: layer 0: values are not rotated, as
// KEYS: values of 0 of 2 layers

// Other signs, the same function, but not the same weights: they are rounded otherwise.
// RUN: stc-opt %t.mlir --stc-fold-rotations=seed=5 --stc-interpret='tokens=1,30,7,7,12,0 all max=32' -o /dev/null > %t.seed
// RUN: %python %S/Inputs/compare_logits.py %t.whole %t.seed 1e-9
// RUN: stc-opt %t.mlir --stc-fold-rotations --stc-quantize=spec=int2 --stc-interpret='tokens=1,30,7,7,12,0 all max=32' -o /dev/null > %t.int2
// RUN: stc-opt %t.mlir --stc-fold-rotations=seed=5 --stc-quantize=spec=int2 --stc-interpret='tokens=1,30,7,7,12,0 all max=32' -o /dev/null > %t.seed.int2
// RUN: not diff %t.int2 %t.seed.int2

// The whole way down: packed, with generated entry points, and with structure cut before and after.
// RUN: stc-opt %t.mlir --stc-to-packed=rotate --stc-interpret='tokens=1,30,7,7,12,0 all max=32' -o /dev/null > %t.packed
// RUN: %python %S/Inputs/compare_logits.py %t.whole %t.packed 1e-6
// RUN: stc-opt %t.mlir --stc-prune-structure='channels=0.3 groups=0.5 multiple=4' --stc-interpret='tokens=1,30,7,7,12,0 all max=32' -o /dev/null > %t.cut
// RUN: stc-opt %t.mlir --stc-prune-structure='channels=0.3 groups=0.5 multiple=4' --stc-fold-rotations --stc-interpret='tokens=1,30,7,7,12,0 all max=32' -o /dev/null > %t.cut.rotated
// RUN: %python %S/Inputs/compare_logits.py %t.cut %t.cut.rotated 1e-9
// RUN: stc-opt %t.mlir --stc-fold-rotations --stc-prune-structure='heads=0.5' --stc-measure-divergence='length=16 text=%t.ids' -o /dev/null 2>&1 | FileCheck %s --check-prefix=SELF
// SELF: KL 0.000000

// The rotated model is the teacher of calibration, and the source is what it is compared with.
// RUN: stc-opt %t.mlir --stc-fold-rotations --stc-compress-layers='calibrate=%t.ids length=16 quantize=int8' --stc-measure-divergence='length=16 text=%t.ids reference=%t.mlir' -o /dev/null 2>&1 | FileCheck %s --check-prefix=AFTER
// RUN: stc-opt %t.mlir --stc-fold-rotations --stc-compress-layers='calibrate=%t.ids length=16 quantize=awq:int8 smooth=0.5' --stc-measure-divergence='length=16 text=%t.ids reference=%t.mlir' -o /dev/null 2>&1 | FileCheck %s --check-prefix=AFTER
// AFTER: KL 0.00{{[0-9]}}

// A recipe rotates too, once, and a search writes down that it was.
// RUN: echo 'version: 1' > %t.yaml
// RUN: echo 'rotate: true' >> %t.yaml
// RUN: echo 'stages: [{match: "*", quantize: int2}]' >> %t.yaml
// RUN: stc-opt %t.mlir --stc-compress-layers=recipe=%t.yaml --stc-interpret='tokens=1,30,7,7,12,0 all max=32' -o /dev/null > %t.recipe
// RUN: diff %t.int2 %t.recipe
// RUN: stc-opt %t.mlir --stc-fold-rotations --stc-compress-layers=recipe=%t.yaml --stc-interpret='tokens=1,30,7,7,12,0 all max=32' -o /dev/null > %t.recipe
// RUN: diff %t.int2 %t.recipe
// RUN: stc-opt %t.mlir --stc-fold-rotations --stc-search-recipe='budget=kl<=1 calibrate=%t.ids length=16 sequences=32 windows=8 encodings=int8,int4' | FileCheck %s --check-prefix=SEARCH
// SEARCH: stc.recipe = "{{.*}}version: 1\0Arotate: true\0A
