// Dense quantized weights times int8 activations by tensor cores: both come through shared memory.
#include "TensorMatmul.h"
#include "Words.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

namespace {

/// Columns that are copied and waited for at once.
constexpr int64_t kPortionColumns = 128;
/// Bytes that are copied by one instruction.
constexpr int64_t kCopyBytes = 16;
/// Most row tiles, and groups of kFragmentTokens tokens, that a warp multiplies: 8 instructions for
/// six fragments that are read, and 64 registers of sums.
constexpr int64_t kWarpTiles = 2, kWarpFragments = 4;
constexpr int64_t kMostSlots = 8;
/// Portions of a slice in shared memory: one that is multiplied, the others on their way.
constexpr int64_t kFewestBuffers = 2, kMostBuffers = 4;
/// Of shared memory, in percent: the rest remains a cache, which streams of weights go through when
/// a single token is computed.
constexpr int64_t kShare = 72;

/// Slices of the columns are computed by warps of their own, which go through them portion by
/// portion and wait only for each other. The warps of a slice divide its slots and its tokens, so
/// that what one of them copied is read by many; the fewer tokens there are, the more slices.
class StagedMatmul final : public TensorMatmul {
public:
  StagedMatmul(packed::MatmulTileOp op, const TargetDescription &target)
      : TensorMatmul(op, target), freeBytes(target.sharedBytes * kShare / 100 - kBarrierBytes) {
    op->getParentOfType<ModuleOp>().walk([&](memref::AllocaOp buffer) {
      MemRefType type = buffer.getType();
      if (type.hasStaticShape())
        freeBytes -= llvm::alignTo(
            type.getNumElements() * llvm::divideCeil(type.getElementTypeBitWidth(), 8), 128);
    });
  }

  SmallVector<int64_t> blockSizes() const override {
    SmallVector<int64_t> sizes;
    for (int64_t tokens : {128, 64, 32, 8})
      if (divide(tokens).slices > 0)
        sizes.push_back(tokens);
    return sizes;
  }

private:
  /// How a block of threads divides a block of tokens and `atOnce` slots.
  struct Division {
    int64_t tokens, atOnce, warpTiles, warpFragments;
    int64_t tokenWarps, slices, buffers; // slices: 0 where shared memory is too small
    int64_t rowWarps() const { return atOnce / warpTiles; }
    int64_t sliceWarps() const { return rowWarps() * tokenWarps; }
    /// Whether copies are on their way to all buffers: to the one that was just read as soon as a
    /// warp alone has read it. Several warps wait for each other once for each portion, and then
    /// copy to the buffer before.
    bool fillsAll() const { return sliceWarps() == 1; }
    int64_t portionsAhead() const { return fillsAll() ? buffers : buffers - 1; }
  };
  /// Where the parts of a portion lie in a buffer.
  struct Places {
    int64_t values, inputScales, inputSums, scales, zeros, end;
  };
  /// What a thread copies of each portion.
  struct Copy {
    Value from;          // in the first portion, in global memory
    int64_t fromMore;    // bytes behind that
    Value to;            // i32, in a buffer
    int64_t toMore;      // bytes behind that
    int64_t bytes, step; // step: from one portion to the next
    Value exists;        // null: this thread has it
  };
  struct State {
    const TokenBlock &block;
    const Division &division;
    Places places;
    Share share;
    Value rowWarp, tokenWarp; // i32, in the slice
    SmallVector<Copy> copies;
    SmallVector<CodeReader> readers; // of the warp's tiles
    SmallVector<std::array<Value, 2>> rowZeros;
  };

  Division divide(int64_t tokens) const;
  /// Whether shared memory has room for so many slices; sets what follows from them.
  bool fit(Division &division, int64_t slices) const;
  Places place(const Division &division) const;
  void emitBlock(const TokenBlock &block) override;
  Values multiply(const Share &, const TokenBlock &) override {
    llvm_unreachable("slices have several warps");
  }

  int64_t portions() const { return geometry.paddedColumns / kPortionColumns; }
  int64_t portionGroups() const { return kPortionColumns / layout.group; }
  int64_t valueBytes() const { return kPortionColumns * kTileRows * layout.codeBits() / 8; }
  bool hasGroupScales() const { return !layout.perRow; }
  bool hasGroupZeros() const { return layout.asymmetric && !layout.perRow; }

  int64_t sliceThreads(const State &state) const {
    return state.division.sliceWarps() * builder.getTarget().warpThreads;
  }
  /// Whether the tiles of a block's slots lie one behind the other.
  bool tilesFollow() const {
    return parts() == 1 && !layout.hasTable() && geometry.rowTiles % slots() == 0;
  }
  void findTokenCopies(State &state, unsigned input, int64_t bytes, int64_t pieceBytes,
                       int64_t place, bool areCodes);
  void findTileCopies(State &state, Value firstSlot, int64_t offset, int64_t bytes, int64_t place,
                      bool areValues);
  void findCopies(State &state, Value firstSlot);
  /// Starts to copy portion `number` (index) of a slice that ends before `end` to the buffer at
  /// `buffer` (i32).
  void copyPortion(State &state, Value number, Value end, Value buffer);
  void await(State &state);
  Values multiplyPortions(State &state);
  void multiplyGroup(State &state, Value buffer, int64_t group, Values &results);
  /// A value of each of this thread's two tokens of a group of tokens.
  std::array<Value, 2> loadTokens(State &state, Value start, Type type, int64_t fragment,
                                  int64_t group);

  int64_t freeBytes; // of shared memory, for this operation
};

} // namespace

//===----------------------------------------------------------------------===//
// Who does what
//===----------------------------------------------------------------------===//

bool StagedMatmul::fit(Division &division, int64_t slices) const {
  int64_t buffers = std::min(kMostBuffers, freeBytes / (slices * place(division).end));
  int64_t sumBytes = slices * division.atOnce * division.tokens * kTokenBytes;
  if (buffers < kFewestBuffers || sumBytes > freeBytes)
    return false;
  division.slices = slices;
  division.buffers = buffers;
  return true;
}

StagedMatmul::Division StagedMatmul::divide(int64_t tokens) const {
  Division division{};
  division.tokens = tokens;
  division.atOnce = std::min<int64_t>(kMostSlots, llvm::bit_floor(uint64_t(slots())));
  division.warpTiles = std::min(division.atOnce, kWarpTiles);
  auto setFragments = [&](int64_t count) {
    division.warpFragments = count;
    division.tokenWarps = tokens / (count * kFragmentTokens);
    return builder.warps() / division.sliceWarps();
  };
  int64_t most = std::min(tokens / kFragmentTokens, kWarpFragments);
  // As much for each warp as leaves all of them something; else some have nothing to do.
  for (int64_t count = most; count > 0; count /= 2)
    if (int64_t slices = setFragments(count); slices > 0 && fit(division, slices))
      return division;
  for (int64_t slices = setFragments(most) / 2; slices > 0; slices /= 2)
    if (fit(division, slices))
      break;
  return division;
}

StagedMatmul::Places StagedMatmul::place(const Division &division) const {
  Places places{};
  int64_t end = division.tokens * kPortionColumns;
  auto take = [&](int64_t bytes) {
    int64_t start = end;
    end = llvm::alignTo(end + bytes, 128);
    return start;
  };
  int64_t groups = portionGroups();
  places.values = take(division.atOnce * valueBytes());
  places.inputScales = take(division.tokens * groups * 4);
  places.inputSums = take(division.tokens * groups * 4);
  places.scales = take(hasGroupScales() ? division.atOnce * groups * kTileRows * 2 : 0);
  places.zeros = take(hasGroupZeros() ? division.atOnce * groups * kTileRows : 0);
  places.end = end;
  return places;
}

//===----------------------------------------------------------------------===//
// Copies
//===----------------------------------------------------------------------===//

/// Copies of `bytes` of each portion of each slot's tile, which begin `offset` behind the tile.
void StagedMatmul::findTileCopies(State &state, Value firstSlot, int64_t offset, int64_t bytes,
                                  int64_t place, bool areValues) {
  Words words(builder);
  int64_t threads = sliceThreads(state), perTile = bytes / kCopyBytes;
  int64_t count = state.division.atOnce * perTile;
  auto fromOf = [&](Value tile, Value inTile) -> Value {
    Value slot = builder.add(firstSlot, builder.toIndex(tile));
    return builder.address(builder.address(tileAddress(tileOf(slot)), offset), inTile);
  };
  auto toOf = [&](Value tile, Value inTile) -> Value {
    Value to = areValues ? state.readers.front().stagedPlace(inTile) : inTile;
    return words.add(words.add(words.mul(tile, bytes), to), place);
  };
  Value thread = state.share.number, zero = builder.int32(0);
  // A thread's copies are as far from each other as its first one allows: what differs is known.
  bool isInOne = perTile % threads == 0, isInSome = threads % perTile == 0;
  if ((isInOne || isInSome) && count % threads == 0) {
    Value tile = isInOne ? zero : words.div(thread, perTile);
    Value inTile = words.mul(isInOne ? thread : words.rem(thread, perTile), kCopyBytes);
    Value from, to = toOf(tile, inTile);
    for (int64_t first = 0; first < count; first += threads) {
      int64_t skipped = first / perTile, rest = first % perTile * kCopyBytes;
      bool isNew = first == 0 || (rest == 0 && !tilesFollow());
      if (isNew)
        from = fromOf(words.add(tile, skipped), inTile);
      int64_t more = rest + (tilesFollow() ? skipped * geometry.tileBytes : 0);
      state.copies.push_back({from, more, to, skipped * bytes + rest, kCopyBytes, bytes, Value()});
    }
    return;
  }
  for (int64_t first = 0; first < count; first += threads) {
    Value number = words.add(thread, first);
    Value exists = count - first < threads ? words.isBelow(number, count) : Value();
    if (exists)
      number = arith::MinUIOp::create(builder, number, builder.int32(count - 1));
    Value tile = words.div(number, perTile);
    Value inTile = words.mul(words.rem(number, perTile), kCopyBytes);
    state.copies.push_back(
        {fromOf(tile, inTile), 0, toOf(tile, inTile), 0, kCopyBytes, bytes, exists});
  }
}

/// Copies of `bytes` of each portion of each token of an input, in pieces of `pieceBytes`. What
/// tokens that are not there would have stays unknown.
void StagedMatmul::findTokenCopies(State &state, unsigned input, int64_t bytes, int64_t pieceBytes,
                                   int64_t place, bool areCodes) {
  Words words(builder);
  int64_t threads = sliceThreads(state), perToken = bytes / pieceBytes;
  int64_t tokens = state.block.count, atOnce = std::max<int64_t>(1, threads / perToken);
  assert(threads % perToken == 0 && "a token has few pieces");
  Value token = words.div(state.share.number, perToken);
  Value piece = words.rem(state.share.number, perToken);
  Value inToken = words.mul(piece, pieceBytes);
  Value matrix = op.getInputs()[input];
  int64_t rowBytes = BlockBuilder::rowBytes(cast<MemRefType>(matrix.getType()));
  Value from = builder.rowAddress(matrix, state.block.first);
  from = builder.address(from, builder.mul(builder.toIndex(token), rowBytes));
  from = builder.global(builder.address(from, inToken));
  if (areCodes) // four tokens' 32 bytes of a span are in different banks
    inToken = words.flip(inToken, words.mul(words.rem(token, 4), 2 * kCopyBytes));
  Value to = words.add(words.add(words.mul(token, bytes), inToken), place);
  for (int64_t first = 0; first < tokens; first += atOnce) {
    Value exists;
    if (state.block.present)
      exists = words.isBelow(words.add(token, first), state.block.present);
    else if (tokens - first < atOnce)
      exists = words.isBelow(token, tokens - first);
    state.copies.push_back({from, first * rowBytes, to, first * bytes, pieceBytes, bytes, exists});
  }
}

void StagedMatmul::findCopies(State &state, Value firstSlot) {
  int64_t bytes = 4 * portionGroups(), rows = portionGroups() * kTileRows;
  const Places &places = state.places;
  findTokenCopies(state, 0, kPortionColumns, kCopyBytes, 0, true);
  findTokenCopies(state, 1, bytes, bytes, places.inputScales, false);
  findTokenCopies(state, 2, bytes, bytes, places.inputSums, false);
  findTileCopies(state, firstSlot, geometry.valuesOffset, valueBytes(), places.values, true);
  if (hasGroupScales())
    findTileCopies(state, firstSlot, geometry.scalesOffset, 2 * rows, places.scales, false);
  if (hasGroupZeros())
    findTileCopies(state, firstSlot, geometry.zerosOffset, rows, places.zeros, false);
}

void StagedMatmul::copyPortion(State &state, Value number, Value end, Value buffer) {
  Value exists = arith::CmpIOp::create(builder, arith::CmpIPredicate::ult, number, end);
  builder.ifThen(exists, [&] {
    Value start = builder.address(state.share.staging, buffer);
    for (const Copy &copy : state.copies) {
      auto emit = [&] {
        // Distances that are known become part of the instruction.
        Value from = builder.address(copy.from, builder.mul(number, copy.step));
        NVVM::CpAsyncOp::create(builder,
                                builder.address(builder.address(start, copy.to), copy.toMore),
                                builder.address(from, copy.fromMore), copy.bytes,
                                copy.bytes == kCopyBytes ? NVVM::LoadCacheModifierKind::CG
                                                         : NVVM::LoadCacheModifierKind::CA,
                                Value());
      };
      if (copy.exists)
        builder.ifThen(copy.exists, emit);
      else
        emit();
    }
  });
  // Also where there is nothing left: waiting counts these.
  NVVM::CpAsyncCommitGroupOp::create(builder);
}

/// Waits for the portion that is next, and until no thread of the slice reads the one before any
/// more.
void StagedMatmul::await(State &state) {
  NVVM::CpAsyncWaitGroupOp::create(builder, state.division.portionsAhead() - 1);
  if (state.division.fillsAll()) {
    NVVM::SyncWarpOp::create(builder, builder.int32(-1));
    return;
  }
  // Barrier 0 is the block's.
  Value number = arith::AddIOp::create(builder, state.share.slice, builder.int32(1));
  NVVM::BarrierOp::create(builder, TypeRange(), number, builder.int32(sliceThreads(state)),
                          NVVM::BarrierReductionAttr(), Value());
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

std::array<Value, 2> StagedMatmul::loadTokens(State &state, Value start, Type type,
                                              int64_t fragment, int64_t group) {
  int64_t groups = portionGroups();
  Value offset = arith::MulIOp::create(builder, state.share.part, builder.int32(8 * groups));
  Value place = builder.address(builder.address(start, offset),
                                (fragment * kFragmentTokens * groups + group) * 4);
  if (groups == 1) {
    Value two = builder.loadAligned(VectorType::get(2, type), place, 8);
    return {vector::ExtractOp::create(builder, two, 0), vector::ExtractOp::create(builder, two, 1)};
  }
  return {builder.loadAligned(type, place, 4),
          builder.loadAligned(type, builder.address(place, groups * 4), 4)};
}

void StagedMatmul::multiplyGroup(State &state, Value buffer, int64_t group, Values &results) {
  const Division &division = state.division;
  Words words(builder);
  auto at = [&](int64_t place) {
    return builder.address(builder.address(state.share.staging, buffer), place);
  };
  auto ofTokens = [&](int64_t place) {
    Value offset =
        words.mul(state.tokenWarp, division.warpFragments * kFragmentTokens * portionGroups() * 4);
    return builder.address(at(place), offset);
  };
  auto ofTile = [&](int64_t place, int64_t tile, int64_t tileBytes) {
    Value offset = words.mul(state.rowWarp, division.warpTiles * tileBytes);
    return builder.address(builder.address(at(place), offset), tile * tileBytes);
  };
  int64_t groups = portionGroups();

  Values sums;
  SmallVector<std::array<Value, 2>> inputSums;
  for (int64_t fragment = 0; fragment < division.warpFragments; ++fragment)
    inputSums.push_back(
        loadTokens(state, ofTokens(state.places.inputSums), builder.getI32Type(), fragment, group));
  for (int64_t tile = 0; tile < division.warpTiles; ++tile) {
    std::array<Value, 2> zeros;
    if (hasGroupZeros()) {
      Value start = ofTile(state.places.zeros, tile, groups * kTileRows);
      std::tie(zeros[0], zeros[1]) = state.readers[tile].zerosAt(
          builder.address(start, group * kTileRows), /*invariant=*/false);
    } else if (layout.asymmetric) {
      zeros = state.rowZeros[tile];
    }
    for (const std::array<Value, 2> &tokens : inputSums)
      for (int64_t row : {0, 1})
        for (Value sum : tokens) {
          if (layout.asymmetric)
            sum = words.mul(sum, zeros[row]);
          sums.push_back(words.add(sum, kFloatBits));
        }
  }

  // Where the thread's columns of each token are, but for the span.
  Value token = words.add(words.mul(state.tokenWarp, division.warpFragments * kFragmentTokens),
                          state.share.rowPair);
  Value row = words.mul(token, kPortionColumns);
  Value inSpan = words.mul(words.rem(state.share.part, 2), 8);
  Value chunk = words.flip(words.div(state.share.part, 2), words.mul(words.rem(token, 4), 2));
  auto two = VectorType::get(2, builder.getI32Type());
  int64_t spans = layout.group / kSpanColumns;
  for (int64_t span = group * spans; span < (group + 1) * spans; ++span) {
    Values inputs;
    Value place = words.mul(words.flip(chunk, 2 * span), kCopyBytes);
    Value start = builder.address(at(0), words.add(words.add(row, place), inSpan));
    for (int64_t fragment = 0; fragment < division.warpFragments; ++fragment) {
      Value codes = builder.loadAligned(
          two, builder.address(start, fragment * kFragmentTokens * kPortionColumns), 8);
      inputs.push_back(words.part(codes, 0));
      inputs.push_back(words.part(codes, 1));
    }
    for (int64_t tile = 0; tile < division.warpTiles; ++tile) {
      CodeWords own = state.readers[tile].readStaged(
          ofTile(state.places.values, tile, valueBytes()), span, state.share.part);
      Value weights[] = {own.words[0][0], own.words[0][1], own.words[1][0], own.words[1][1]};
      for (int64_t fragment = 0; fragment < division.warpFragments; ++fragment)
        addProducts(weights, /*isSigned=*/false, ValueRange(inputs).slice(2 * fragment, 2),
                    MutableArrayRef<Value>(sums).slice((tile * division.warpFragments + fragment) *
                                                           kFragmentValues,
                                                       kFragmentValues));
    }
  }

  SmallVector<std::array<Value, 2>> inputScales;
  for (int64_t fragment = 0; fragment < division.warpFragments; ++fragment)
    inputScales.push_back(loadTokens(state, ofTokens(state.places.inputScales),
                                     builder.getF32Type(), fragment, group));
  size_t i = 0;
  for (int64_t tile = 0; tile < division.warpTiles; ++tile) {
    std::array<Value, 2> scales;
    if (hasGroupScales()) {
      Value start = ofTile(state.places.scales, tile, groups * kTileRows * 2);
      std::tie(scales[0], scales[1]) = state.readers[tile].scalesAt(
          builder.address(start, group * kTileRows * 2), /*invariant=*/false);
    }
    for (const std::array<Value, 2> &tokens : inputScales)
      for (int64_t row : {0, 1})
        for (Value scale : tokens) {
          if (hasGroupScales())
            scale = arith::MulFOp::create(builder, scales[row], scale);
          results[i] = addScaledSum(sums[i], scale, results[i]);
          ++i;
        }
  }
}

Values StagedMatmul::multiplyPortions(State &state) {
  const Division &division = state.division;
  // Warps beyond the last slice have nothing to do.
  Value slice = arith::MinUIOp::create(builder, state.share.slice, builder.int32(division.slices));
  auto boundary = [&](Value number, int64_t limit) -> Value {
    number = arith::MinUIOp::create(builder, number, builder.int32(limit));
    return builder.toIndex(arith::DivUIOp::create(
        builder, arith::MulIOp::create(builder, number, builder.int32(portions())).getResult(),
        builder.int32(division.slices)));
  };
  Value begin = boundary(slice, division.slices);
  Value end = boundary(arith::AddIOp::create(builder, slice, builder.int32(1)), division.slices);

  int64_t bytes = state.places.end, last = (division.buffers - 1) * bytes;
  for (int64_t i = 0; i < division.portionsAhead(); ++i)
    copyPortion(state, builder.add(begin, i), end, builder.int32(i * bytes));
  Values carried(division.warpTiles * division.warpFragments * kFragmentValues,
                 builder.constant(builder.getF32Type(), 0.0));
  carried.push_back(builder.int32(0));
  carried = builder.loop(begin, end, 1, carried, [&](Value number, ValueRange values) -> Values {
    Values results(values.drop_back());
    Value buffer = values.back();
    auto unless = [&](int64_t limit, int64_t instead, int64_t step) -> Value {
      Value isThere =
          arith::CmpIOp::create(builder, arith::CmpIPredicate::eq, buffer, builder.int32(limit));
      return arith::SelectOp::create(
          builder, isThere, builder.int32(instead),
          arith::AddIOp::create(builder, buffer, builder.int32(step)).getResult());
    };
    auto copyNext = [&](Value to) {
      copyPortion(state, builder.add(number, division.portionsAhead()), end, to);
    };
    await(state);
    if (!division.fillsAll())
      copyNext(unless(0, last, -bytes));
    for (int64_t group = 0; group < portionGroups(); ++group)
      multiplyGroup(state, buffer, group, results);
    if (division.fillsAll()) {
      NVVM::SyncWarpOp::create(builder, builder.int32(-1));
      copyNext(buffer);
    }
    results.push_back(unless(last, 0, bytes));
    return results;
  });
  carried.pop_back();
  if (layout.perRow) {
    int64_t perTile = division.warpFragments * kFragmentValues;
    for (int64_t tile = 0; tile < division.warpTiles; ++tile) {
      auto [first, second] = state.readers[tile].loadScales(builder.index(0));
      for (int64_t i = 0; i < perTile; ++i) {
        Value &result = carried[tile * perTile + i];
        result = arith::MulFOp::create(builder, result, i % kFragmentValues < 2 ? first : second);
      }
    }
  }
  return carried;
}

void StagedMatmul::emitBlock(const TokenBlock &block) {
  Division division = divide(block.count);
  Words words(builder);
  State state{block, division, place(division), {}, {}, {}, {}, {}, {}};
  int64_t sliceBytes = division.buffers * state.places.end;
  int64_t tileSums = block.count * kTokenBytes;
  // The sums come where the copies were.
  Value memory =
      builder.scratch(division.slices * std::max(sliceBytes, division.atOnce * tileSums));
  Share &share = state.share;
  Value warp = setPlaces(share);
  Value inSlice = words.rem(warp, division.sliceWarps());
  share.slice = words.div(warp, division.sliceWarps());
  share.number = words.add(words.mul(inSlice, builder.getTarget().warpThreads), share.lane);
  share.staging = builder.address(memory, words.mul(share.slice, sliceBytes));
  state.rowWarp = words.rem(inSlice, division.rowWarps());
  state.tokenWarp = words.div(inSlice, division.rowWarps());
  auto emitSlots = [&](Value firstSlot) {
    state.copies.clear();
    state.readers.clear();
    state.rowZeros.clear();
    Value firstTile = words.mul(state.rowWarp, division.warpTiles);
    for (int64_t tile = 0; tile < division.warpTiles; ++tile) {
      Value slot = builder.add(firstSlot, builder.toIndex(words.add(firstTile, tile)));
      state.readers.emplace_back(builder, type, tileAddress(tileOf(slot)), share.rowPair);
      if (layout.asymmetric && layout.perRow) {
        auto [first, second] = state.readers.back().loadZeros(builder.index(0));
        state.rowZeros.push_back({first, second});
      }
    }
    findCopies(state, firstSlot);
    Values sums = multiplyPortions(state);
    builder.barrier();
    auto store = [&] {
      Value number = words.add(words.mul(share.slice, division.atOnce), firstTile);
      Value start = builder.address(memory, words.mul(number, tileSums));
      Value ofTokens =
          words.mul(state.tokenWarp, division.warpFragments * kFragmentTokens * kTokenBytes);
      start = builder.address(start, ofTokens);
      int64_t perTile = division.warpFragments * kFragmentValues;
      for (int64_t tile = 0; tile < division.warpTiles; ++tile)
        storeSums(share, builder.address(start, tile * tileSums),
                  ValueRange(sums).slice(tile * perTile, perTile));
    };
    if (division.slices * division.sliceWarps() == builder.warps())
      store();
    else
      builder.ifThen(words.isBelow(share.slice, division.slices), store);
    builder.barrier();
    finishSlots(firstSlot, division.atOnce, division.slices, block, memory);
    builder.barrier();
  };
  if (slots() == division.atOnce)
    return emitSlots(builder.index(0));
  builder.loop(builder.index(0), builder.index(slots()), division.atOnce, emitSlots);
}

std::unique_ptr<MatmulEmitter> stc::gpu::createStagedMatmul(packed::MatmulTileOp op,
                                                            const TargetDescription &target) {
  auto type = cast<packed::WeightType>(op.getWeight().getType());
  Layout layout = type.getLayout().getLayout();
  if (layout.kind != LayoutKind::Dense || !layout.isQuantized() ||
      kPortionColumns % layout.group != 0)
    return nullptr;
  TileGeometry geometry = tileGeometry(layout, type.getRows(), type.getColumns());
  // Rows of a number of tokens that is known may be in shared memory already.
  bool areGlobal = llvm::all_of(op.getInputs(), [](Value input) {
    return cast<MemRefType>(input.getType()).isDynamicDim(0);
  });
  if (!areGlobal || geometry.paddedColumns % kPortionColumns != 0)
    return nullptr;
  auto emitter = std::make_unique<StagedMatmul>(op, target);
  if (emitter->blockSizes().empty())
    return nullptr;
  return emitter;
}
