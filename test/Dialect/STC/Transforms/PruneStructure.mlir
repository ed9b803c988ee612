// stc-prune-structure: what goes, what follows from it, and that it computes what it should.
// RUN: %python %S/Inputs/layered_model.py %t.mlir %t.ids
// RUN: %python %S/Inputs/layered_model.py %t.zeros.mlir %t.ids --zeros

// Everything at once: types, slices, heads, the cache, and what moved up in it.
// RUN: stc-opt %t.zeros.mlir --stc-prune-structure='calibrate=%t.ids length=16 channels=0.33 groups=0.5 layers=1 verbose=true' -o %t.cut.mlir 2> %t.remarks
// RUN: FileCheck %s --check-prefix=CUT < %t.cut.mlir
// RUN: FileCheck %s --check-prefix=REMARK < %t.remarks

// CUT-DAG: @layers.0.q : tensor<16x32xf32> {slice = #stc.slice<of = [32, 32], rows = [16, 32]>, value
// CUT-DAG: @layers.0.q_bias : tensor<16xf32> {slice = #stc.slice<of = [32], rows = [16, 32]>, value
// CUT-DAG: @layers.0.k : tensor<8x32xf32> {slice = #stc.slice<of = [16, 32], rows = [8, 16]>, value
// CUT-DAG: @layers.0.v : tensor<8x32xf32> {slice = #stc.slice<of = [16, 32], rows = [8, 16]>, value
// CUT-DAG: @layers.0.o : tensor<32x16xf32> {slice = #stc.slice<of = [32, 32], columns = [16, 32]>, stc.calibrated, value
// CUT-DAG: @layers.0.gate : tensor<32x32xf32> {slice = #stc.slice<of = [48, 32], rows = [1, 3, 4, 6,
// CUT-DAG: @layers.0.up : tensor<32x32xf32> {slice = #stc.slice<of = [48, 32], rows = [1, 3, 4, 6,
// CUT-DAG: @layers.0.down : tensor<32x32xf32> {slice = #stc.slice<of = [32, 48], columns = [1, 3, 4, 6,
// CUT-DAG: @layers.2.k : tensor<8x32xf32> {slice = #stc.slice<of = [16, 32], rows = [8, 16]>
// CUT-DAG: @layers.2.gate : tensor<32x32xf32> {slice = #stc.slice<of = [48, 32], rows = [0, 2, 3, 5,
// CUT-NOT: @layers.1.
// CUT: func.func @forward({{.*}}: !stc.kv_cache<layers = 2, kv_heads = 1, head_dim = 8, capacity = 64>) -> tensor<?x32xf32>
// CUT: %[[ONE:.*]] = arith.constant 1 : index
// CUT: stc.layer 0
// CUT: stc.attention {{.*}} heads 2 {{.*}} -> tensor<?x16xf32>
// CUT: stc.linear {{.*}} : (tensor<?x16xf32>, tensor<32x16xf32>) -> tensor<?x32xf32>
// CUT: stc.gated_activation {{.*}} -> tensor<?x32xf32>
// CUT: stc.layer 1
// CUT: stc.cache_update {{.*}}[%[[ONE]],
// CUT: stc.attention {{.*}}[%[[ONE]],
// CUT-NOT: stc.layer

// REMARK: remark: layer 0 (cosine {{.*}}): 32 of 48 channels, 2 of 4 heads, 1 of 2 groups
// REMARK: remark: layer 1 (cosine 1.0000): removed: the hidden state leaves most like it came
// REMARK: remark: layers.0.o: fitted to the uncompressed model, relative output error 0.000{{[0-9]}}, was 0.000

// What gives nothing can go: exactly the same numbers without repair, and before packing as after.
// RUN: stc-opt %t.zeros.mlir --stc-interpret='tokens=1,30,7,7,12 all' -o /dev/null > %t.whole
// RUN: stc-opt %t.zeros.mlir --stc-prune-structure='calibrate=%t.ids length=16 repair=false channels=0.33 groups=0.5 layers=1' --stc-interpret='tokens=1,30,7,7,12 all' -o /dev/null > %t.cut
// RUN: diff %t.whole %t.cut
// RUN: stc-opt %t.zeros.mlir --stc-prune-structure='channels=0.33 groups=0.5' --stc-interpret='tokens=1,30,7,7,12 all' -o /dev/null > %t.weights
// RUN: diff %t.whole %t.weights
// RUN: stc-opt %t.zeros.mlir --stc-prune-structure='channels=0.33 groups=0.5' -o %t.saved.mlir
// RUN: stc-opt %t.saved.mlir --stc-interpret='tokens=1,30,7,7,12 all' -o /dev/null > %t.saved
// RUN: diff %t.whole %t.saved

// Twice is a slice of a slice.
// RUN: stc-opt %t.zeros.mlir --stc-prune-structure='groups=0.5' --stc-prune-structure='channels=0.33' --stc-prune-structure='calibrate=%t.ids length=16 channels=0.5 heads=0.5' | FileCheck %s --check-prefix=TWICE
// TWICE-DAG: @layers.0.q : tensor<8x32xf32> {slice = #stc.slice<of = [32, 32], rows = [{{16, 24|24, 32}}]>
// TWICE-DAG: @layers.0.down : tensor<32x16xf32> {slice = #stc.slice<of = [32, 48], columns = [{{.*}}]>, stc.calibrated
// TWICE-DAG: stc.attention {{.*}} heads 1 {{.*}} -> tensor<?x8xf32>

// What is left can be compressed; the teacher of that repair is what is left.
// RUN: stc-opt %t.mlir --stc-prune-structure='calibrate=%t.ids length=16 channels=0.33' --stc-compress-layers='calibrate=%t.ids length=16 quantize=int8' --stc-measure-divergence='length=16 text=%t.ids' -o /dev/null 2>&1 | FileCheck %s --check-prefix=AFTER
// AFTER: KL 0.000

// Parts that are excluded stay whole.
// RUN: stc-opt %t.mlir --stc-prune-structure='channels=0.33 heads=0.5 exclude=layers.0.up,layers.2.o' | FileCheck %s --check-prefix=EXCLUDE
// EXCLUDE-DAG: @layers.0.gate : tensor<48x32xf32>
// EXCLUDE-DAG: @layers.0.q : tensor<16x32xf32>
// EXCLUDE-DAG: @layers.2.gate : tensor<32x32xf32>
// EXCLUDE-DAG: @layers.2.q : tensor<32x32xf32>

// Repair lowers the loss to less than a tenth, however channels were chosen.
// RUN: stc-opt %t.mlir --stc-prune-structure='channels=0.33 heads=0.5' --stc-measure-divergence='length=16 text=%t.ids reference=%t.mlir' -o /dev/null 2> %t.plain
// RUN: stc-opt %t.mlir --stc-prune-structure='calibrate=%t.ids length=16 channels=0.33 heads=0.5 repair=false' --stc-measure-divergence='length=16 text=%t.ids reference=%t.mlir' -o /dev/null 2> %t.calibrated
// RUN: stc-opt %t.mlir --stc-prune-structure='calibrate=%t.ids length=16 channels=0.33 heads=0.5' --stc-measure-divergence='length=16 text=%t.ids reference=%t.mlir' -o /dev/null 2> %t.repaired
// RUN: %python -c "import re, sys; kl = [float(re.search('KL ([0-9.]+)', open(f).read())[1]) for f in sys.argv[1:]]; print(kl); sys.exit(not min(kl[:2]) > 10 * kl[2] > 0.001)" %t.plain %t.calibrated %t.repaired

// Slopes stay with their heads.
// RUN: sed 's/heads 4 scale \([^ ]*\) window 0/heads 4 scale \1 window 0 slopes [0.5, 0.25, 0.125, 0.0625]/' %t.zeros.mlir > %t.slopes.mlir
// RUN: stc-opt %t.slopes.mlir --stc-prune-structure='groups=0.5' | FileCheck %s --check-prefix=SLOPES
// RUN: stc-opt %t.slopes.mlir --stc-interpret='tokens=1,30,7,7,12 all' -o /dev/null > %t.slopes
// RUN: not diff %t.whole %t.slopes
// RUN: stc-opt %t.slopes.mlir --stc-prune-structure='groups=0.5' --stc-interpret='tokens=1,30,7,7,12 all' -o /dev/null > %t.slopes.cut
// RUN: diff %t.slopes %t.slopes.cut
// SLOPES: stc.attention {{.*}} heads 2 {{.*}} slopes [1.250000e-01, 6.250000e-02]
