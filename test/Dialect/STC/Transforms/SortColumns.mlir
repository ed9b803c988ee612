// Columns of stored codes are sorted by their group. What they are multiplied with follows: gate and
// up have the order of down as that of their rows; q, k and v share one permutation of their input.
// RUN: %python %S/Inputs/activation_order.py %t.model
// RUN: stc-opt %s --stc-import=path=%t.model --stc-sort-columns --stc-adopt-codes -o %t.mlir
// RUN: FileCheck %s < %t.mlir
// RUN: stc-opt %t.mlir | FileCheck %s

// The values are those that the file has, in memory and read again.
// RUN: stc-opt %s --stc-import=path=%t.model --stc-interpret='tokens=1,3,2 all' -o /dev/null > %t.floats
// RUN: stc-opt %s --stc-import=path=%t.model --stc-sort-columns --stc-interpret='tokens=1,3,2 all' -o /dev/null > %t.sorted
// RUN: diff %t.floats %t.sorted
// RUN: stc-opt %t.mlir --stc-interpret='tokens=1,3,2 all' -o /dev/null > %t.kept
// RUN: diff %t.floats %t.kept

// What was changed stays in its order, and so does what is multiplied with it.
// RUN: stc-opt %s --stc-import=path=%t.model --stc-quantize='spec=int4-g32 exclude=*.down' --stc-sort-columns | FileCheck %s --check-prefix=CHANGED

// CHECK: stc.weight @layers.0.q : tensor<128x128xf32> {column_order = dense<
// CHECK-SAME: quant = #stc.quant<"stored:int4-g32-asym", error = 0.000000e+00 : f64>
// CHECK: stc.weight @layers.0.q_order : tensor<128xf32> {value = dense<
// CHECK: stc.weight @layers.0.k : {{.*}} {column_order
// CHECK-NOT: k_order
// CHECK: stc.weight @layers.0.o : {{.*}} {column_order
// CHECK: stc.weight @layers.0.o_order
// CHECK: stc.weight @layers.0.gate : {{.*}} {column_order = {{.*}} row_order = dense<
// CHECK: stc.weight @layers.0.gate_order
// CHECK: stc.weight @layers.0.up : {{.*}} {column_order = {{.*}} row_order = dense<
// CHECK: stc.weight @layers.0.down : {{.*}} {column_order
// CHECK-NOT: down_order

// CHECK: %[[NORM:.*]] = stc.rms_norm
// CHECK: %[[ORDER:.*]] = stc.get_weight @layers.0.q_order
// CHECK: %[[SORTED:.*]] = stc.permute_features %[[NORM]], %[[ORDER]]
// CHECK: stc.linear %[[SORTED]]
// CHECK: stc.linear %[[SORTED]]
// CHECK: stc.linear %[[SORTED]]
// CHECK: %[[MIXED:.*]] = stc.attention
// CHECK: stc.permute_features %[[MIXED]]
// CHECK: %[[NEXT:.*]] = stc.rms_norm
// CHECK: %[[OTHER:.*]] = stc.permute_features %[[NEXT]]
// CHECK: stc.linear %[[OTHER]]
// CHECK: stc.linear %[[OTHER]]
// CHECK: %[[INNER:.*]] = stc.gated_activation
// CHECK: stc.linear %[[INNER]]

// CHANGED-NOT: row_order
// CHANGED: stc.weight @layers.0.down : {{.*}} {column_order
// CHANGED: stc.weight @layers.0.down_order
// CHANGED: %[[GATED:.*]] = stc.gated_activation
// CHANGED: %[[SORTED:.*]] = stc.permute_features %[[GATED]]
// CHANGED: stc.linear %[[SORTED]]
