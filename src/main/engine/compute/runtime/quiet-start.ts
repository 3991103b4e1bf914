/** Name for the linker; the file is `deps/lib/libphasemark_quiet.so`. */
export const quietLibrary = 'phasemark_quiet'

/**
 * A small library that applies `TF_CPP_MIN_LOG_LEVEL` before TensorFlow's own initialisers run.
 *
 * TensorFlow 2.21 reads that variable too late for what it prints while it is being loaded: two lines about oneDNN
 * on every start of every command. Linked with `-z initfirst`, this constructor runs before all others of the same load; it
 * only stores a number, so that errors are printed as before. The function belongs to the logging library that the pinned
 * TensorFlow exports (absl::SetMinLogLevel of LTS 2025-08-14); levels count as in the variable. A TensorFlow without it fails at
 * link time, during setup.
 */
export const quietSource = `
#include <cstdlib>

extern "C" void SetMinLogLevel(int level)
    __asm__("_ZN4absl12lts_2025081414SetMinLogLevelENS0_18LogSeverityAtLeastE");

__attribute__((constructor)) static void ApplyLogLevel() {
  const char* level = std::getenv("TF_CPP_MIN_LOG_LEVEL");
  if (level != nullptr && level[0] >= '0' && level[0] <= '3' && level[1] == '\\0') {
    SetMinLogLevel(level[0] - '0');
  }
}
`
