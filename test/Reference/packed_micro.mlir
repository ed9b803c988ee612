// packed.dot4, packed.dot8x2, packed.expand, packed.select16 and packed.select64 on vectors.
// RUN: stc-opt %s --stc-interpret=function=dot4 -o /dev/null | FileCheck %s --check-prefix=DOT
// RUN: stc-opt %s --stc-interpret=function=dot8x2 -o /dev/null | FileCheck %s --check-prefix=MATRIX
// RUN: stc-opt %s --stc-interpret=function=expand -o /dev/null | FileCheck %s --check-prefix=EXPAND
// RUN: stc-opt %s --stc-interpret=function=select -o /dev/null | FileCheck %s --check-prefix=SELECT
// RUN: stc-opt %s --stc-interpret=function=select64 -o /dev/null | FileCheck %s --check-prefix=WIDE
// RUN: not stc-opt %s --stc-interpret=function=broken8x2 -o /dev/null 2>&1 | FileCheck %s --check-prefix=BROKEN8X2
// RUN: not stc-opt %s --stc-interpret=function=broken -o /dev/null 2>&1 | FileCheck %s --check-prefix=BROKEN

// Weights are unsigned: -1 is 255. 1 + 1*10 + 2*20 + 3*30 + 4*40 = 301; -5 + 255*(-128)*4 = -130565.
// DOT: 2{{$}}
// DOT-NEXT: 301 -130565
func.func @dot4() -> vector<2xi32> {
  %acc = arith.constant dense<[1, -5]> : vector<2xi32>
  %w = arith.constant dense<[1, 2, 3, 4, -1, -1, -1, -1]> : vector<8xi8>
  %x = arith.constant dense<[10, 20, 30, 40, -128, -128, -128, -128]> : vector<8xi8>
  %r = packed.dot4 %acc, %w, %x : vector<2xi32>, vector<8xi8>
  return %r : vector<2xi32>
}

// Rows [1 2 3 4 5 6 7 8] and [255 0 ... 0] by tokens [1 ... 1] and [1 0 ... 0 -128]: 36 and
// 1 - 8 * 128 = -1023; 255 and 255.
// MATRIX: 4{{$}}
// MATRIX-NEXT: 136 -1023 255 256
func.func @dot8x2() -> vector<4xi32> {
  %acc = arith.constant dense<[100, 0, 0, 1]> : vector<4xi32>
  %w = arith.constant dense<[1, 2, 3, 4, 5, 6, 7, 8, -1, 0, 0, 0, 0, 0, 0, 0]> : vector<16xi8>
  %x = arith.constant dense<[1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, -128]> : vector<16xi8>
  %r = packed.dot8x2 %acc, %w, %x : vector<4xi32>, vector<16xi8>
  return %r : vector<4xi32>
}

// Bits 1, 4 and 63 are set: they get the first three values, the others the passthrough.
// EXPAND: 64{{$}}
// EXPAND-NEXT: {{^}}-1 1 -1 -1 2 -1 {{(-1 )+}}3{{$}}
func.func @expand() -> vector<64xi8> {
  %v = arith.constant dense<[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64]> : vector<64xi8>
  %p = arith.constant dense<-1> : vector<64xi8>
  %mask = arith.constant 0x8000000000000012 : i64
  %r = packed.expand %v, %p, %mask : vector<64xi8>
  return %r : vector<64xi8>
}

// Each 16 bytes have a table of their own; only the low four bits of a position count.
// SELECT: 64{{$}}
// SELECT-NEXT: {{^}}1 16 4 2 2 2 2 2 2 2 2 2 2 2 2 2 19 19 19 19 19 19 19 19 19 19 19 19 19 19 19 19 48 48 48 48 48 48 48 48 48 48 48 48 48 48 48 48 64 63 62 61 60 59 58 57 56 55 54 53 52 51 50 49{{$}}
func.func @select() -> vector<64xi8> {
  %t = arith.constant dense<[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64]> : vector<64xi8>
  %p = arith.constant dense<[0, 15, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 18, 18, 18, 18, 18, 18, 18, 18, 18, 18, 18, 18, 18, 18, 18, 18, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]> : vector<64xi8>
  %r = packed.select16 %t, %p : vector<64xi8>
  return %r : vector<64xi8>
}

// One table of 64; only the low six bits of a position count.
// WIDE: 64{{$}}
// WIDE-NEXT: {{^}}1 16 17 64 1 64 18 18 18 18 18 18 18 18 18 18 18 18 18 18 18 18 18 18 18 18 18 18 18 18 18 18 18 18 18 18 18 18 18 18 18 18 18 18 18 18 18 18 18 18 18 18 18 18 18 18 18 18 18 18 18 18 18 18{{$}}
func.func @select64() -> vector<64xi8> {
  %t = arith.constant dense<[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64]> : vector<64xi8>
  %p = arith.constant dense<[0, 15, 16, 63, -64, -1, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17]> : vector<64xi8>
  %r = packed.select64 %t, %p : vector<64xi8>
  return %r : vector<64xi8>
}

// BROKEN: packed.dot4: expected bytes within bits and signed_bits, got others
func.func @broken() -> vector<1xi32> {
  %acc = arith.constant dense<0> : vector<1xi32>
  %w = arith.constant dense<[1, 2, 3, 16]> : vector<4xi8>
  %r = packed.dot4 %acc, %w, %w bits 4 : vector<1xi32>, vector<4xi8>
  return %r : vector<1xi32>
}

// BROKEN8X2: packed.dot8x2: expected unsigned bytes within bits, got others
func.func @broken8x2() -> vector<4xi32> {
  %acc = arith.constant dense<0> : vector<4xi32>
  %w = arith.constant dense<16> : vector<16xi8>
  %r = packed.dot8x2 %acc, %w, %w bits 4 : vector<4xi32>, vector<16xi8>
  return %r : vector<4xi32>
}
