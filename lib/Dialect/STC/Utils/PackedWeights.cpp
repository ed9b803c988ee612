// Where packed weights go: into a bundle, or into memory for stc-opt and tests.
#include "stc/Dialect/STC/Utils/PackedWeights.h"

#include "stc/Dialect/STC/IR/STC.h"

using namespace mlir;

namespace stc {

namespace {

/// Ties the holder's life to the context.
class PackedWeightsInterface : public DialectInterface::Base<PackedWeightsInterface> {
public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(PackedWeightsInterface)
  explicit PackedWeightsInterface(Dialect *dialect) : Base(dialect) {}
  PackedWeights weights;
};

} // namespace

PackedWeights &PackedWeights::get(MLIRContext *context) {
  auto *dialect = context->getOrLoadDialect<STCDialect>();
  auto *interface = dialect->getRegisteredInterface<PackedWeightsInterface>();
  if (!interface)
    interface = &dialect->addInterface<PackedWeightsInterface>();
  return interface->weights;
}

absl::Status PackedWeights::begin(BundleWriter *newBundle) {
  bundle = newBundle;
  bytes = {};
  weightRecords = {};
  return bundle ? bundle->beginWeights() : absl::OkStatus();
}

absl::StatusOr<uint64_t> PackedWeights::add(WeightRecord record,
                                            absl::Span<const uint8_t> newBytes) {
  constexpr size_t alignment = 64;
  record.bytes = newBytes.size();
  if (bundle) {
    STC_ASSIGN_OR_RETURN(record.offset, bundle->addWeight(record, newBytes));
  } else {
    bytes.resize((bytes.size() + alignment - 1) / alignment * alignment);
    record.offset = bytes.size();
    bytes.insert(bytes.end(), newBytes.begin(), newBytes.end());
  }
  weightRecords.push_back(std::move(record));
  return weightRecords.back().offset;
}

} // namespace stc
