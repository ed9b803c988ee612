// How the operations that survive to the packed phase become operations on memrefs.
#ifndef STC_DIALECT_PACKED_TRANSFORMS_BUFFERIZABLEOPINTERFACEIMPL_H
#define STC_DIALECT_PACKED_TRANSFORMS_BUFFERIZABLEOPINTERFACEIMPL_H

namespace mlir {
class DialectRegistry;
} // namespace mlir

namespace stc::packed {

/// Attaches one-shot bufferization to the packed operations and to stc.cache_update.
void registerBufferizableOpInterfaceExternalModels(mlir::DialectRegistry &registry);

} // namespace stc::packed

#endif // STC_DIALECT_PACKED_TRANSFORMS_BUFFERIZABLEOPINTERFACEIMPL_H
