// Hops: how often a message has been pushed on, as its attributes say (spool::AttributeTag::hops).
//
// Pure functions; any thread.
#pragma once

#include "common/bytes.h"
#include "common/result.h"

namespace pannier::forward {

// None: it never was. bad_syntax for what are no attributes, or are too many to be journaled with
// one more.
Result<std::uint8_t> hops_in(ByteView attributes);
// The same attributes, which hops_in has taken, with that many.
Bytes with_hops(ByteView attributes, std::uint8_t hops);

}  // namespace pannier::forward
