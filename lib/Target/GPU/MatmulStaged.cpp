// Dense and 2:4 weights times int8 activations by tensor cores: products.
#include "StagedMatmul.h"
#include "Words.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

Value StagedMatmul::factorPlace(const Division &division, Value token) {
  if (!ordersFactors(division))
    return token;
  // Thread t of four has tokens 2 t and 2 t + 1 of each of eight fragments: those follow each
  // other.
  Words words(builder);
  constexpr int64_t tokens = kWarpgroupFragments * kFragmentTokens, own = tokens / kSpanParts;
  Value fragment = words.rem(words.div(token, kFragmentTokens), kWarpgroupFragments);
  Value part = words.rem(words.div(token, 2), kSpanParts);
  Value place = words.add(words.mul(part, own), words.mul(fragment, 2));
  place = words.add(place, words.rem(token, 2));
  return words.add(place, words.mul(words.div(token, tokens), tokens));
}

SmallVector<std::array<Value, 2>> StagedMatmul::loadTokens(State &state, Value start, Type type,
                                                           int64_t group) {
  const Division &division = state.division;
  int64_t groups = portionGroups(), count = division.warpFragments;
  Words words(builder);
  start = builder.address(
      start, words.mul(state.tokenWarp, division.warpFragments * kFragmentTokens * groups * 4));
  SmallVector<std::array<Value, 2>> loaded;
  if (ordersFactors(division)) {
    Value own = words.mul(state.share.part, 2 * kWarpgroupFragments * 4);
    start = builder.address(start, own);
    for (int64_t fragment = 0; fragment < count; fragment += 2) {
      Value four = builder.loadAligned(VectorType::get(4, type),
                                       builder.address(start, fragment * 2 * 4), 16);
      for (int64_t i : {0, 2})
        loaded.push_back({words.part(four, i), words.part(four, i + 1)});
    }
    return loaded;
  }
  start = builder.address(start, words.mul(state.share.part, 8 * groups));
  for (int64_t fragment = 0; fragment < count; ++fragment) {
    Value place = builder.address(start, (fragment * kFragmentTokens * groups + group) * 4);
    if (groups == 1) {
      Value two = builder.loadAligned(VectorType::get(2, type), place, 8);
      loaded.push_back({words.part(two, 0), words.part(two, 1)});
    } else {
      loaded.push_back({builder.loadAligned(type, place, 4),
                        builder.loadAligned(type, builder.address(place, groups * 4), 4)});
    }
  }
  return loaded;
}

Value StagedMatmul::placeOfTile(State &state, Value buffer, int64_t place, int64_t tile,
                                int64_t tileBytes) {
  Value offset = Words(builder).mul(state.rowWarp, state.division.warpTiles * tileBytes);
  Value start = builder.address(builder.address(state.share.staging, buffer), place);
  return builder.address(builder.address(start, offset), tile * tileBytes);
}

void StagedMatmul::addAlone(State &state, Value buffer, int64_t group, Values &sums) {
  if (isPruned)
    return addPruned(state, builder.address(state.share.staging, buffer), group, sums);
  addSpans(state, buffer, group, sums);
}

void StagedMatmul::addSpans(State &state, Value buffer, int64_t group, Values &sums) {
  const Division &division = state.division;
  Words words(builder);
  Value inputs = builder.address(state.share.staging, buffer);
  // Where the thread's columns of each token are, but for the span.
  Value token = words.add(words.mul(state.tokenWarp, division.warpFragments * kFragmentTokens),
                          state.share.rowPair);
  Value row = words.mul(token, kPortionColumns);
  Value inSpan = words.mul(words.rem(state.share.part, 2), 8);
  Value chunk = words.flip(words.div(state.share.part, 2), words.mul(words.rem(token, 4), 2));
  auto two = VectorType::get(2, builder.getI32Type());
  int64_t spans = std::max<int64_t>(1, layout.group / kSpanColumns);
  int64_t firstSpan = group * layout.group / kSpanColumns;
  // Of two groups in a span, the threads of half of its parts have the columns of each; the others
  // multiply by zeros.
  Value isOfGroup;
  if (groupsOfSpan() > 1)
    isOfGroup = arith::CmpIOp::create(
        builder, group % 2 == 0 ? arith::CmpIPredicate::ult : arith::CmpIPredicate::uge,
        state.share.part, builder.int32(kSpanParts / 2));
  for (int64_t span = firstSpan; span < firstSpan + spans; ++span) {
    Values codes;
    Value place = words.mul(words.flip(chunk, 2 * span), kCopyBytes);
    Value start = builder.address(inputs, words.add(words.add(row, place), inSpan));
    for (int64_t fragment = 0; fragment < division.warpFragments; ++fragment) {
      Value own = builder.loadAligned(
          two, builder.address(start, fragment * kFragmentTokens * kPortionColumns), 8);
      codes.push_back(words.part(own, 0));
      codes.push_back(words.part(own, 1));
    }
    for (int64_t tile = 0; tile < division.warpTiles; ++tile) {
      CodeWords own = state.readers[tile].readStaged(
          placeOfTile(state, buffer, state.places.values, tile, valueBytes()), span,
          state.share.part);
      Value weights[] = {own.words[0][0], own.words[0][1], own.words[1][0], own.words[1][1]};
      for (Value &weight : weights)
        if (isOfGroup)
          weight = words.select(isOfGroup, weight, words.number(0));
      for (int64_t fragment = 0; fragment < division.warpFragments; ++fragment)
        addProducts(weights, /*isSigned=*/false, ValueRange(codes).slice(2 * fragment, 2),
                    MutableArrayRef<Value>(sums).slice((tile * division.warpFragments + fragment) *
                                                           kFragmentValues,
                                                       kFragmentValues));
    }
  }
}

Value StagedMatmul::warpgroupInputs(State &state) {
  static_assert(kPortionColumns == kWarpgroupRowBytes);
  int64_t bytes = state.division.warpFragments * kFragmentTokens * kWarpgroupRowBytes;
  return builder.address(state.share.staging, Words(builder).mul(state.tokenWarp, bytes));
}

StagedMatmul::Operands StagedMatmul::loadOperands(State &state, Value buffer, int64_t first,
                                                  int64_t columns) {
  Operands operands;
  for (int64_t column = first; isPruned && column < first + columns; column += kSparseColumns) {
    auto [weights, places] = loadUnit(state, 0, column / kSparseColumns);
    operands.weights.push_back(weights);
    operands.places.push_back(places);
  }
  if (isPruned)
    return operands;
  Value values = placeOfTile(state, buffer, state.places.values, 0, valueBytes());
  for (int64_t column = first; column < first + columns; column += kSpanColumns) {
    CodeWords own = state.readers[0].readStagedInOrder(values, column / kSpanColumns,
                                                       state.share.part, multipliesWeights());
    operands.weights.push_back(
        {own.words[0][0], own.words[0][1], own.words[1][0], own.words[1][1]});
  }
  return operands;
}

void StagedMatmul::startProducts(State &state, const Operands &operands, Value buffer,
                                 int64_t first, MutableArrayRef<Value> sums) {
  Value inputs = warpgroupInputs(state);
  if (isPruned)
    startWarpgroupPruned(builder, operands.weights, operands.places, inputs, buffer,
                         first / kSparseColumns, sums);
  else
    startWarpgroupProducts(builder, operands.weights, /*areSigned=*/multipliesWeights(), inputs,
                           buffer, first / kSpanColumns, sums);
}

Value StagedMatmul::withoutFactor(const CodeReader &reader, Value scale) {
  if (reader.weightFactor() == 1)
    return scale;
  return arith::MulFOp::create( // exact: a power of two
      builder, scale, builder.constant(builder.getF32Type(), 1.0 / reader.weightFactor()));
}

void StagedMatmul::multiplyGroup(State &state, Value buffer, int64_t group, Values &results,
                                 function_ref<void()> between) {
  const Division &division = state.division;
  Words words(builder);
  auto at = [&](int64_t place) {
    return builder.address(builder.address(state.share.staging, buffer), place);
  };
  auto ofTile = [&](int64_t place, int64_t tile, int64_t tileBytes) {
    return placeOfTile(state, buffer, place, tile, tileBytes);
  };
  int64_t groups = portionGroups();

  bool isPlain = division.usesWarpgroups && multipliesWeights();
  Values sums; // null: they begin at zero
  if (isPlain)
    sums.resize(results.size());
  SmallVector<std::array<Value, 2>> inputSums;
  if (needsInputSums(division))
    inputSums = loadTokens(state, at(state.places.inputSums), builder.getI32Type(), group);
  else if (!isPlain)
    inputSums.assign(division.warpFragments, {builder.int32(0), builder.int32(0)});
  for (int64_t tile = 0; !isPlain && tile < division.warpTiles; ++tile) {
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
          sums.push_back(layout.minimums ? builder.int32(kFloatBits) : words.add(sum, kFloatBits));
        }
  }

  if (division.usesWarpgroups) {
    int64_t first = group * layout.group;
    startProducts(state, loadOperands(state, buffer, first, layout.group), buffer, first, sums);
    waitForProducts(builder, 0, sums);
  } else {
    addAlone(state, buffer, group, sums);
  }
  if (between)
    between();

  SmallVector<std::array<Value, 2>> inputScales =
      loadTokens(state, at(state.places.inputScales), builder.getF32Type(), group);
  size_t number = 0; // of a sum
  for (int64_t tile = 0; tile < division.warpTiles; ++tile) {
    std::array<Value, 2> scales, minimums;
    auto ofGroup = [&](int64_t place) {
      return builder.address(ofTile(place, tile, groups * kTileRows * 2), group * kTileRows * 2);
    };
    CodeReader &reader = state.readers[tile];
    if (hasGroupScales())
      std::tie(scales[0], scales[1]) =
          reader.scalesAt(ofGroup(state.places.scales), /*invariant=*/false);
    if (hasGroupScales() && isPlain && !isPruned)
      for (Value &scale : scales)
        scale = withoutFactor(reader, scale);
    if (layout.minimums)
      std::tie(minimums[0], minimums[1]) =
          reader.minimumsAt(ofGroup(state.places.minimums), /*invariant=*/false);
    for (auto [fragment, tokens] : llvm::enumerate(inputScales))
      for (int64_t row : {0, 1})
        for (int64_t token : {0, 1}) {
          Value scale = tokens[token], sum = sums[number], &result = results[number];
          ++number;
          if (layout.minimums) {
            result = addShiftedSum(sum, scales[row], minimums[row], inputSums[fragment][token],
                                   scale, result);
            continue;
          }
          if (hasGroupScales())
            scale = arith::MulFOp::create(builder, scales[row], scale);
          result = isPlain ? addPlainSum(sum, scale, result) : addScaledSum(sum, scale, result);
        }
  }
}

std::pair<Value, Value> StagedMatmul::portionsOf(State &state) {
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
  return {begin, end};
}

/// Products by warps that wait for each other's for each portion.
Values StagedMatmul::multiplyTogether(State &state, Value begin, Value end, Values carried) {
  const Division &division = state.division;
  int64_t bytes = state.places.end, last = (division.buffers - 1) * bytes;
  for (int64_t i = 0; i < division.portionsAhead(); ++i)
    copyPortion(state.copies, builder.add(begin, i), end,
                builder.address(state.share.staging, builder.int32(i * bytes)));
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
      copyPortion(state.copies, builder.add(number, division.portionsAhead()), end,
                  builder.address(state.share.staging, to));
    };
    await(state);
    if (!division.fillsAll())
      copyNext(unless(0, last, -bytes));
    if (isPruned) {
      makeOperands(state, builder.address(state.share.staging, buffer));
      waitForSlice(state);
    }
    for (int64_t group = 0; group < portionGroups(); ++group)
      if (sumsRows)
        addAlone(state, buffer, group, results);
      else
        multiplyGroup(state, buffer, group, results, nullptr);
    if (division.fillsAll()) {
      NVVM::SyncWarpOp::create(builder, builder.int32(-1));
      copyNext(buffer);
    }
    results.push_back(unless(last, 0, bytes));
    return results;
  });
  carried.pop_back();
  return carried;
}

Values StagedMatmul::multiplyPortions(State &state) {
  const Division &division = state.division;
  auto [begin, end] = portionsOf(state);
  Value zero = sumsRows ? builder.int32(0) : builder.constant(builder.getF32Type(), 0.0);
  Values sums(division.warpTiles * division.warpFragments * kFragmentValues, zero);
  sums = division.overlaps    ? multiplyRows(state, begin, end, sums)
         : division.partsWays ? multiplyPartedPortions(state, begin, end, sums)
                              : multiplyTogether(state, begin, end, sums);
  if (sumsRows)
    sums = scaleTokens(state, sums);
  if (layout.perRow) {
    int64_t perTile = division.warpFragments * kFragmentValues;
    for (int64_t tile = 0; tile < division.warpTiles; ++tile) {
      auto [first, second] = state.readers[tile].loadScales(builder.index(0));
      if (division.usesWarpgroups && multipliesWeights() && !isPruned) {
        first = withoutFactor(state.readers[tile], first);
        second = withoutFactor(state.readers[tile], second);
      }
      for (int64_t i = 0; i < perTile; ++i) {
        Value &result = sums[tile * perTile + i];
        result = arith::MulFOp::create(builder, result, i % kFragmentValues < 2 ? first : second);
      }
    }
  }
  return sums;
}

void StagedMatmul::emitBlock(const TokenBlock &block) {
  Division division = divide(block.count);
  Words words(builder);
  State state{block, division, place(division), {}, {}, {}, {}, {}, {}, {}, {}};
  int64_t bytes = sliceBytes(division);
  int64_t tileSums = block.count * kTokenBytes;
  // The sums come where the copies were.
  Value memory = builder.scratch(alignmentGap() +
                                 division.slices * std::max(bytes, division.atOnce * tileSums));
  memory = builder.address(memory, alignmentGap());
  Share &share = state.share;
  Value warp = setPlaces(share);
  Value inSlice = words.rem(warp, division.sliceWarps());
  share.slice = words.div(warp, division.sliceWarps());
  share.number = words.add(words.mul(inSlice, builder.getTarget().warpThreads), share.lane);
  share.staging = builder.address(memory, words.mul(share.slice, bytes));
  state.rowWarp = words.rem(inSlice, division.rowWarps());
  state.tokenWarp = words.div(inSlice, division.rowWarps());
  auto emitSlots = [&](Value firstSlot) {
    state.copies.clear();
    state.prunedCopies.clear();
    state.readers.clear();
    state.rowZeros.clear();
    Value firstTile = words.mul(state.rowWarp, division.warpTiles);
    for (int64_t tile = 0; tile < division.warpTiles; ++tile) {
      Value slot = builder.add(firstSlot, builder.toIndex(words.add(firstTile, tile)));
      state.readers.emplace_back(builder, type, tileAddress(tileOf(slot)), share.rowPair, isPruned);
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
  bool isPruned = target.hasSparseMma && isForSparseProducts(layout);
  if ((layout.kind != LayoutKind::Dense && !isPruned) || !layout.isQuantized() ||
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
