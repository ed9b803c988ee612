// The passes over packed modules and their options.
#ifndef STC_DIALECT_PACKED_TRANSFORMS_PASSES_TD
#define STC_DIALECT_PACKED_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

def DistributeThreadsPass : Pass<"packed-distribute-threads", "::mlir::ModuleOp"> {
  let summary = "Gives every thread its share of each scf.forall";
  let description = [{
    Every thread runs every function; of a `scf.forall` with n iterations (all dimensions together,
    the last one fastest) thread t of T runs iterations [t * n / T, (t + 1) * n / T). Foralls marked
    `packed.replicated` are run by every thread. Barriers are there already.

    Pieces of a `packed.matmul_tile` with `split = bytes` whose weight has a table of its tiles are
    divided by bytes instead: thread t begins with the first piece that starts at byte t * B / T or
    later.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect",
                           "::mlir::LLVM::LLVMDialect", "::stc::packed::PackedDialect"];
}

def FuseGatesPass : Pass<"packed-fuse-gates", "::mlir::ModuleOp"> {
  let summary = "Computes the tiles of a gate where they are used";
  let description = [{
    Of two `scf.forall` loops over the row tiles of weights of equal shape (and pieces of the tokens,
    where those are divided), where the second multiplies with an activated gate (`gate` of
    `packed.matmul_tile`) that the first computes, both become one: what a thread reads of the gate
    it has just written itself, and no thread waits for another between the two. Loops that take
    tiles or tokens in pieces of different size stay apart.
  }];
  let statistics = [
    Statistic<"fused", "fused", "Number of loops that joined another">,
  ];
}

def FuseRowsPass : Pass<"packed-fuse-rows", "::mlir::ModuleOp"> {
  let summary = "Takes each token's row through several operations at once";
  let description = [{
    `scf.forall` loops over the same tokens become one, where what one of them writes the other uses
    in the token's own row only, and what lies between them does not depend on the first: a norm and
    the quantization of its result, rotary embeddings and the cache's update. A row then stays in the nearest cache, and threads wait for each other once.

    Loops over a single token stay as they are.
  }];
  let statistics = [
    Statistic<"fused", "fused", "Number of loops that joined another">,
  ];
}

def LowerExpertsPass : Pass<"packed-lower-experts", "::mlir::ModuleOp"> {
  let summary = "Turns stc.expert into work on the tokens that chose it";
  let description = [{
    Counts the tokens whose gate is not 0. Where there are any, `packed.gather_tokens` puts their
    rows together, the body runs on those, and `packed.scatter_add` adds its results, times the
    gates, to the accumulator. One token needs no gathering. All of it is inside a `scf.if`, so that
    the weights of an expert nobody chose are not read.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect",
                           "::mlir::tensor::TensorDialect", "::stc::packed::PackedDialect"];
}

def LowerRepeatPass : Pass<"packed-lower-repeat", "::mlir::ModuleOp"> {
  let summary = "Turns stc.repeat into a loop over calls";
  let description = [{
    One `scf.for` over the rows of weights calls the layer function; `packed.weight_row` finds the
    weights of the row, so that code does not grow with the number of layers.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
                           "::mlir::scf::SCFDialect", "::stc::packed::PackedDialect"];
}

def ParallelizeRowsPass : Pass<"packed-parallelize-rows", "::mlir::ModuleOp"> {
  let summary = "Turns linalg operations on memrefs into parallel loops over tokens";
  let description = [{
    Neighbouring linalg operations whose first dimension is parallel, of equal size, and indexes the
    first dimension of everything they write become one `scf.forall` over that dimension: one
    token's row goes through all of them. Where the number of tokens is known, rows of at least
    `split-columns` columns are also split into blocks of columns when no operation of the group
    reduces, so that a single token keeps all threads busy.

    Within a row, columns are computed `vector<16xf32>` at a time (sums: four vectors at once),
    the rest one by one; operations that have no vector form run one by one.
  }];
  let options = [
    Option<"splitColumns", "split-columns", "int64_t", "4096",
           "Columns from which one row is divided among threads">,
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
                           "::mlir::vector::VectorDialect", "::stc::packed::PackedDialect"];
}

def PlaceBarriersPass : Pass<"packed-place-barriers", "::mlir::ModuleOp"> {
  let summary = "Orders parallel loops and makes threads wait where they must";
  let description = [{
    A `packed.barrier` is placed before an `scf.forall` that touches a buffer which foralls since
    the last barrier write, or writes one that they read, and at the end of each block with foralls.
    Between other operations, foralls are reordered so that as many as possible run between two
    barriers (the query, key and value projections, say). Foralls of one iteration always run in
    the same thread, so among them there is no barrier.

    Buffers are told apart when they are allocations or arguments; what else is written needs a
    barrier. Outside of foralls nothing may be written.
  }];
  let dependentDialects = ["::stc::packed::PackedDialect"];
  let statistics = [
    Statistic<"barriers", "barriers", "Number of barriers">,
  ];
}

def PlanArenaPass : Pass<"packed-plan-arena", "::mlir::ModuleOp"> {
  let summary = "Places every buffer at a fixed offset of one arena";
  let description = [{
    Every `memref.alloc` becomes a `packed.scratch`. Buffers of a function share memory when a
    barrier lies between all uses of one and of the other; a function's buffers lie behind those of
    all its callers. A dynamic dimension counts as `max-tokens`. Deallocations disappear. The module
    gets the attribute `stc.arena_bytes`.
  }];
  let options = [
    Option<"maxTokens", "max-tokens", "int64_t", "64", "The largest dynamic dimension">,
  ];
  let dependentDialects = ["::stc::packed::PackedDialect"];
}

def PrepareBufferizationPass : Pass<"packed-prepare-bufferization", "::mlir::ModuleOp"> {
  let summary = "Gives every function result a place to be written to";
  let description = [{
    A public function gets one memref argument per tensor result, and writes its results there. A
    private function writes its result to the first argument of the result's type, which is the
    hidden state of a layer: layers work in place. The residual of a `packed.matmul` becomes its
    destination when that is an empty tensor. A `packed.rotary` of one token is not done in place,
    so that every thread can do it for itself. Empty tensors used more than once are copied, so
    that each use gets its own buffer.
  }];
  let dependentDialects = ["::mlir::bufferization::BufferizationDialect",
                           "::mlir::func::FuncDialect", "::mlir::tensor::TensorDialect"];
}

def PrivatizeBuffersPass : Pass<"packed-privatize-buffers", "::mlir::ModuleOp"> {
  let summary = "Lets every thread do small work for itself";
  let description = [{
    The result of an `scf.forall` of one iteration would have to be waited for by all threads, which
    have nothing else to do. So each computes it: the forall is marked `packed.replicated`, and the
    buffers it writes are on each thread's stack. This holds for foralls that write nothing else,
    and buffers that nothing else writes.
  }];
  let options = [
    Option<"maxBytes", "max-bytes", "int64_t", "131072", "Most bytes of stack of one function">,
  ];
  let statistics = [
    Statistic<"replicated", "replicated", "Number of loops that every thread runs">,
  ];
  let dependentDialects = ["::mlir::memref::MemRefDialect"];
}

def TileOpsPass : Pass<"packed-tile-ops", "::mlir::ModuleOp"> {
  let summary = "Turns packed operations on memrefs into parallel loops";
  let description = [{
    Each becomes an `scf.forall` over pieces of work that write different memory:

    - `packed.matmul`: row tiles of the weight (`packed.matmul_tile`), with its lowering
      configuration (one token at a time where it has none);
    - `packed.attention` of several tokens: key/value heads, and tokens so many at a time that they
      and the query heads of a key/value head make `rows-per-tile` rows (`packed.attention_tile`), or as many as its attribute
      `packed.rows_per_tile` says;
      of one token: key/value heads and pieces of `piece-keys` positions, if the cache holds more,
      and then query heads (`packed.attention_combine`);
    - `packed.quantize_activations`: tokens and, where rows are long and their number is known,
      blocks of columns;
    - `packed.rotary`: tokens and, in the same case, heads;
    - `packed.gather`, `packed.split_activations` and `stc.cache_update`: tokens.

    All but the first two keep their names, on views of one token. Operations inside an `scf.forall` stay.
  }];
  let options = [
    Option<"pieceKeys", "piece-keys", "int64_t", "512",
           "Positions of one piece of attention of one token, a multiple of 64">,
    Option<"rowsPerTile", "rows-per-tile", "int64_t", "32",
           "Most pairs of token and query head of one piece of attention of several tokens">,
    Option<"splitColumns", "split-columns", "int64_t", "8192",
           "Columns from which the row of one token is divided">,
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect",
                           "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
                           "::mlir::vector::VectorDialect", "::stc::packed::PackedDialect"];
}

#endif // STC_DIALECT_PACKED_TRANSFORMS_PASSES_TD
