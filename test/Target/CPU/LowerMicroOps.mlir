// Micro-operations become instructions of each target.
// RUN: stc-opt %s --packed-lower-micro-ops=target=x86-64-v4+avx512vnni+avx512vbmi2 | FileCheck %s --check-prefix=VNNI
// RUN: stc-opt %s --packed-lower-micro-ops=target=sapphirerapids | FileCheck %s --check-prefix=AMX
// RUN: stc-opt %s --packed-lower-micro-ops=target=x86-64-v4+avx512vbmi | FileCheck %s --check-prefix=VBMI
// RUN: stc-opt %s --packed-lower-micro-ops=target=x86-64-v3+avxvnni | FileCheck %s --check-prefix=AVXVNNI
// RUN: stc-opt %s --packed-lower-micro-ops=target=x86-64-v3 | FileCheck %s --check-prefix=AVX2
// RUN: stc-opt %s --packed-lower-micro-ops=target=aarch64 | FileCheck %s --check-prefix=NEON
// RUN: stc-opt %s --packed-lower-micro-ops=target=aarch64+dotprod | FileCheck %s --check-prefix=SDOT
// RUN: stc-opt %s --packed-lower-micro-ops=target=aarch64+i8mm | FileCheck %s --check-prefix=USDOT
// RUN: stc-opt %s --packed-lower-micro-ops=target=neoverse-v1 | FileCheck %s --check-prefix=SVE
// RUN: stc-opt %s --packed-lower-micro-ops=target=riscv64+v | FileCheck %s --check-prefix=RVV
// RUN: stc-opt %s --packed-lower-micro-ops=target=riscv64 | FileCheck %s --check-prefix=SCALAR

// VNNI-LABEL: @dot
// VNNI-COUNT-2: "llvm.x86.avx512.vpdpbusd.512"
// AVXVNNI-LABEL: @dot
// AVXVNNI-COUNT-4: "llvm.x86.avx512.vpdpbusd.256"
// Products of four bits are added in 16 bits before they are widened.
// AVX2-LABEL: @dot
// AVX2-COUNT-3: "llvm.x86.avx2.pmadd.ub.sw"
// AVX2: "llvm.x86.avx2.pmadd.wd"
// AVX2: "llvm.x86.avx2.pmadd.ub.sw"
// AVX2: "llvm.x86.avx2.pmadd.wd"
// AVX2-NOT: pmadd
// NEON-LABEL: @dot
// NEON-NOT: arith.xori
// NEON-COUNT-10: arith.muli
// NEON-COUNT-2: "llvm.aarch64.neon.saddlp.v4i32.v8i16"
// NEON: "llvm.aarch64.neon.addp.v4i32"
// SDOT-LABEL: @dot
// SDOT-NOT: arith.xori
// SDOT-COUNT-8: "llvm.aarch64.neon.sdot.v4i32.v16i8"
// SDOT-NOT: sdot
// USDOT-LABEL: @dot
// USDOT-COUNT-8: "llvm.aarch64.neon.usdot.v4i32.v16i8"
// SVE-LABEL: @dot
// SVE-COUNT-4: "llvm.aarch64.sve.usdot.nxv4i32"
// SVE-NOT: usdot
// SVE: return
// RVV-LABEL: @dot
// RVV-COUNT-4: arith.muli {{.*}} : vector<32xi16>
// SCALAR-LABEL: @dot
// SCALAR-COUNT-8: arith.muli {{.*}} : vector<16xi32>
func.func @dot(%acc: vector<16xi32>, %w: vector<64xi8>, %x: vector<64xi8>) -> vector<16xi32> {
  %r = packed.dot4 %acc, %w, %x bits 4 : vector<16xi32>, vector<64xi8>
  %s = packed.dot4 %r, %x, %w bits 4 : vector<16xi32>, vector<64xi8>
  return %s : vector<16xi32>
}

// Bytes of eight bits would saturate in pmaddubsw, and sdot takes signed ones: 128 is taken off and
// given back by a sum of the other side.
// AVX2-LABEL: @wide
// AVX2-NOT: pmadd.ub.sw
// AVX2-COUNT-4: "llvm.x86.avx2.pmadd.wd"
// SDOT-LABEL: @wide
// SDOT: arith.xori
// SDOT-COUNT-2: "llvm.aarch64.neon.sdot.v4i32.v16i8"
func.func @wide(%acc: vector<16xi32>, %w: vector<64xi8>, %x: vector<64xi8>) -> vector<16xi32> {
  %r = packed.dot4 %acc, %w, %x : vector<16xi32>, vector<64xi8>
  return %r : vector<16xi32>
}

// Products of two tokens, one for each two rows; elsewhere two dot products for each token, whose
// halves are added.
// SVE-LABEL: @matrices
// SVE: %[[X:.*]] = llvm.call_intrinsic "llvm.aarch64.sve.dupq.lane.nxv16i8"
// SVE-COUNT-4: "llvm.aarch64.sve.usmmla.nxv4i32"
// SVE: "llvm.aarch64.sve.dupq.lane.nxv16i8"
// SVE-COUNT-4: "llvm.aarch64.sve.usmmla.nxv4i32"
// SVE: return
// USDOT-LABEL: @matrices
// USDOT-COUNT-16: "llvm.aarch64.neon.usmmla.v4i32.v16i8"
// USDOT-NOT: usdot
// USDOT: return
// VNNI-LABEL: @matrices
// VNNI-COUNT-8: "llvm.x86.avx512.vpdpbusd.512"
// VNNI-NOT: vpdpbusd
// VNNI: return
func.func @matrices(%acc: vector<32xi32>, %w: vector<128xi8>, %x: vector<16xi8>) -> vector<32xi32> {
  %r = packed.dot8x2 %acc, %w, %x bits 4 : vector<32xi32>, vector<128xi8>
  %s = packed.dot8x2 %r, %w, %x bits 4 : vector<32xi32>, vector<128xi8>
  return %s : vector<32xi32>
}

// A result used twice ends a chain.
// AVX2-LABEL: @fork
// AVX2-COUNT-4: "llvm.x86.avx2.pmadd.wd"
func.func @fork(%acc: vector<16xi32>, %w: vector<64xi8>, %x: vector<64xi8>)
    -> (vector<16xi32>, vector<16xi32>) {
  %r = packed.dot4 %acc, %w, %x bits 4 : vector<16xi32>, vector<64xi8>
  %s = packed.dot4 %r, %x, %w bits 4 : vector<16xi32>, vector<64xi8>
  return %r, %s : vector<16xi32>, vector<16xi32>
}

// What was done to loaded values is done to the expanded ones, which are read where they lie.
// VNNI-LABEL: @expand
// VNNI: "llvm.x86.avx512.mask.expand.v64i8"
// AVX2-LABEL: @expand
// AVX2-NOT: llvm.alloca
// AVX2: llvm.mlir.addressof @stc_expand_positions
// AVX2-COUNT-4: "llvm.x86.ssse3.pshuf.b.128"
// AVX2: arith.andi %{{.*}} : vector<64xi8>
// AVX2: arith.select
// NEON-LABEL: @expand
// NEON-COUNT-4: "llvm.aarch64.neon.tbl1.v16i8"
// RVV-LABEL: @expand
// RVV: llvm.intr.masked.expandload
// SCALAR-LABEL: @expand
// SCALAR: scf.for
func.func @expand(%p: !llvm.ptr, %old: vector<64xi8>, %mask: i64) -> vector<64xi8> {
  %v = llvm.load %p {alignment = 1 : i64} : !llvm.ptr -> vector<64xi8>
  %c = arith.constant dense<15> : vector<64xi8>
  %w = arith.andi %v, %c : vector<64xi8>
  %r = packed.expand %w, %old, %mask : vector<64xi8>
  return %r : vector<64xi8>
}

// VNNI-LABEL: @select
// VNNI: "llvm.x86.avx512.pshuf.b.512"
// AVX2-LABEL: @select
// AVX2-COUNT-2: "llvm.x86.avx2.pshuf.b"
// NEON-LABEL: @select
// NEON-COUNT-4: "llvm.aarch64.neon.tbl1.v16i8"
// RVV-LABEL: @select
// RVV-COUNT-4: "llvm.riscv.vrgather.vv.nxv8i8.i64"
// SCALAR-LABEL: @select
// SCALAR: scf.for
func.func @select(%t: vector<64xi8>, %p: vector<64xi8>) -> vector<64xi8> {
  %r = packed.select16 %t, %p : vector<64xi8>
  return %r : vector<64xi8>
}

// VBMI-LABEL: @select64
// VBMI: "llvm.x86.avx512.permvar.qi.512"
// VNNI-LABEL: @select64
// VNNI-NOT: permvar
// VNNI: scf.for
func.func @select64(%t: vector<64xi8>, %p: vector<64xi8>) -> vector<64xi8> {
  %r = packed.select64 %t, %p : vector<64xi8>
  return %r : vector<64xi8>
}

// VNNI-LABEL: @prefetch
// VNNI: "llvm.intr.prefetch"
func.func @prefetch(%p: !llvm.ptr) {
  packed.prefetch %p
  // VNNI: "llvm.intr.prefetch"(%{{.*}}) <{cache = 1 : i32, hint = 2 : i32, rw = 0 : i32}>
  packed.prefetch %p level 2
  return
}

// Columns 64 to 127 add to columns 0 to 63.
// AMX-LABEL: @tile_dot
// AMX: %[[ZERO:.*]] = llvm.call_intrinsic "llvm.x86.tilezero.internal"
// AMX: %[[X:.*]] = llvm.call_intrinsic "llvm.x86.tileloadd64.internal"
// AMX: %[[W:.*]] = llvm.call_intrinsic "llvm.x86.tileloadd64.internal"
// AMX: %[[HALF:.*]] = llvm.call_intrinsic "llvm.x86.tdpbsud.internal"({{.*}}, %[[ZERO]], %[[X]], %[[W]])
// AMX: %[[SUM:.*]] = llvm.call_intrinsic "llvm.x86.tdpbsud.internal"({{.*}}, %[[HALF]], %{{.*}}, %{{.*}})
// AMX: llvm.call_intrinsic "llvm.x86.tilestored64.internal"({{.*}}, %[[SUM]])
// VNNI-LABEL: @tile_dot
// VNNI-COUNT-96: "llvm.x86.avx512.vpdpbusd.512"
func.func @tile_dot(%sums: !llvm.ptr, %inputs: !llvm.ptr, %codes: !llvm.ptr) {
  packed.tile_dot %sums, %inputs stride 256, %codes tokens 3 columns 128
  return
}

// 24 rows are two tiles of sums, which a loop over 32 columns at a time carries. Columns are put side
// by side in pairs before; the last one, and what is missing of its tile, is paired with zeros.
// AMX-LABEL: @tile_dot_bf16
// AMX: %[[PANEL:.*]] = llvm.alloca %{{.*}} x i8 {alignment = 64 : i64}
// AMX: scf.for
// AMX: vector.shuffle %{{.*}} [0, 16, 1, 17,
// AMX: llvm.store
// AMX: vector.shuffle %{{.*}} [0, 16, 1, 17,
// AMX: %[[A:.*]] = llvm.call_intrinsic "llvm.x86.tileloadd64.internal"
// AMX: %[[B:.*]] = llvm.call_intrinsic "llvm.x86.tileloadd64.internal"
// AMX: %[[SUMS:.*]]:2 = scf.for {{.*}} iter_args(%[[C:.*]] = %[[A]], %[[D:.*]] = %[[B]]) -> (!llvm.x86_amx, !llvm.x86_amx)
// AMX: %[[W:.*]] = llvm.call_intrinsic "llvm.x86.tileloadd64.internal"
// AMX: %[[X:.*]] = llvm.call_intrinsic "llvm.x86.tileloadd64.internal"
// AMX: %[[E:.*]] = llvm.call_intrinsic "llvm.x86.tdpbf16ps.internal"({{.*}}, %[[C]], %[[X]], %[[W]])
// AMX: %[[Y:.*]] = llvm.call_intrinsic "llvm.x86.tileloadd64.internal"
// AMX: %[[F:.*]] = llvm.call_intrinsic "llvm.x86.tdpbf16ps.internal"({{.*}}, %[[D]], %[[Y]], %[[W]])
// AMX: scf.yield %[[E]], %[[F]]
// AMX: llvm.call_intrinsic "llvm.x86.tilestored64.internal"({{.*}}, %[[SUMS]]#0)
// AMX: llvm.call_intrinsic "llvm.x86.tilestored64.internal"({{.*}}, %[[SUMS]]#1)
// AMX-NOT: llvm.alloca
// AMX: llvm.call_intrinsic "llvm.x86.tdpbf16ps.internal"
// VNNI-LABEL: @tile_dot_bf16
// VNNI-NOT: llvm.x86
// VNNI: math.fma {{.*}} : vector<16xf32>
func.func @tile_dot_bf16(%sums: !llvm.ptr, %inputs: !llvm.ptr, %weights: !llvm.ptr) {
  packed.tile_dot_bf16 %sums, %inputs stride 256, %weights rows 24 columns 65
  // The same memory serves all products of a function.
  packed.tile_dot_bf16 %sums, %inputs stride 256, %weights rows 16 columns 32
  return
}
