// release_code_pages: gives back what starting up has mapped of the programs' code.
//
// Starting touches much that never runs again: relocation, configuration, the first certificates.
// The pages are read-only and the file system's: they stay in its cache, and come back one fault at
// a time when they are called. Any thread, while others run; without errors: what cannot be given
// back stays. Constants go with the code where nothing beside them was written. Reads
// /proc/self/smaps.
#pragma once

#include <cstddef>

namespace pannier {

// How many bytes of code were asked to go, resident or not.
std::size_t release_code_pages();

}  // namespace pannier
