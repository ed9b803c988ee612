// Products of codes by tensor cores: how a block of threads divides them, and its shared memory.
#include "StagedMatmul.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

bool stc::gpu::takesWholeRows(packed::WeightType weight, const TargetDescription &target) {
  Layout layout = weight.getLayout().getLayout();
  bool isPruned = target.hasSparseMma && isForSparseProducts(layout);
  int64_t columns = tileGeometry(layout, weight.getRows(), weight.getColumns()).paddedColumns;
  // What is one group has one scale for each token anyway.
  return target.hasMma && layout.isQuantized() && layout.perRow &&
         (layout.kind == LayoutKind::Dense || isPruned) && columns > kRowScaleGroup &&
         columns <= kMostWholeColumns;
}

SmallVector<int64_t> StagedMatmul::blockSizes() const {
  packed::MatmulTileOp op = this->op;
  // A piece of fewer tokens is whole where it has all of them.
  int64_t most = op.getToken() ? op.getConfig().getPieceTokens() : kMostRowTokens;
  SmallVector<int64_t> sizes;
  for (int64_t tokens : {kMostRowTokens, kMostTokens, int64_t(64), int64_t(32), int64_t(8)}) {
    if (tokens > kMostTokens && (!sumsRows || tokens > most))
      continue;
    if (divide(tokens).slices > 0)
      sizes.push_back(tokens);
  }
  return sizes;
}

bool StagedMatmul::fit(Division &division, int64_t slices) const {
  int64_t fewest = division.overlaps    ? kPartedAhead + 2
                   : division.partsWays ? kPartedAhead + 1
                                        : kFewestBuffers;
  int64_t most = division.overlaps || division.partsWays ? kPartedAhead + 2 : kMostBuffers;
  int64_t buffers =
      std::min(most, (freeBytes / slices - prunedBytes(division)) / place(division).end);
  int64_t sumBytes = slices * division.atOnce * division.tokens * kTokenBytes;
  if (buffers < fewest || sumBytes > freeBytes)
    return false;
  division.slices = slices;
  division.buffers = buffers;
  return true;
}

bool StagedMatmul::divideRows(Division &division) const {
  division.overlaps = division.usesWarpgroups = true;
  division.warpTiles = 1;
  for (int64_t fragments : {kRowFragments, kWarpgroupFragments}) {
    division.warpFragments = fragments;
    division.tokenWarps = division.tokens / (fragments * kFragmentTokens);
    if (division.tokenWarps == 0)
      continue;
    int64_t slices = builder.warps() / division.sliceWarps();
    if (slices > 0 && fit(division, slices))
      return true;
  }
  division.overlaps = division.usesWarpgroups = false;
  return false;
}

bool StagedMatmul::divideWarpgroups(Division &division) const {
  constexpr int64_t tokens = kWarpgroupFragments * kFragmentTokens;
  if (!builder.getTarget().hasWarpgroupMma || division.atOnce % kWarpgroupWarps != 0 ||
      division.tokens % tokens != 0 || groupsOfSpan() != 1)
    return false;
  if (sumsRows)
    return divideRows(division);
  division.usesWarpgroups = true;
  division.warpTiles = 1;
  division.warpFragments = kWarpgroupFragments;
  division.tokenWarps = division.tokens / tokens;
  int64_t slices = builder.warps() / division.sliceWarps();
  division.partsWays = division.warpgroups() > 1;
  if (division.partsWays && fit(division, slices))
    return true;
  division.partsWays = false;
  division.usesWarpgroups = fit(division, slices);
  return division.usesWarpgroups;
}

StagedMatmul::Division StagedMatmul::divide(int64_t tokens) const {
  Division division{};
  division.tokens = tokens;
  division.atOnce = std::min<int64_t>(kMostSlots, llvm::bit_floor(uint64_t(slots())));
  if (divideWarpgroups(division))
    return division;
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
  int64_t values = division.atOnce * valueBytes();
  int64_t masks = isPruned ? division.atOnce * maskBytes() : 0;
  if (keepsApart(division)) { // from where those begin
    places.masks = values;
    places.apart = llvm::alignTo(values + masks, 128);
  } else {
    places.values = take(values);
    places.masks = take(masks);
  }
  places.inputScales = take(sumsRows ? 0 : division.tokens * groups * 4);
  places.inputSums = take(needsInputSums(division) && !sumsRows ? division.tokens * groups * 4 : 0);
  places.scales = take(hasGroupScales() ? division.atOnce * groups * kTileRows * 2 : 0);
  places.zeros = take(hasGroupZeros() ? division.atOnce * groups * kTileRows : 0);
  places.minimums = take(layout.minimums ? division.atOnce * groups * kTileRows * 2 : 0);
  places.end = division.usesWarpgroups ? llvm::alignTo(end, kWarpgroupAlignment) : end;
  return places;
}
