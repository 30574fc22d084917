// Reading records back: one by its place, all checks made, and a message as it was published.
//
// Runs on the pool (a queue paging, compaction) or at start (recovery); blocks on the disk.
// Whatever does not match its checksum, its type or its layout is corrupt, with the file offset in
// the detail.
#pragma once

#include <cstdint>

#include "common/buffer.h"
#include "sidecar/spool/disk.h"
#include "sidecar/spool/payload.h"

namespace pannier::spool {

struct StoredRecord {
  RecordHeader header;
  Slice payload;  // verified

  ByteView meta() const { return payload.view().first(header.meta); }
  // As it lies there, compressed perhaps, and as it was published: corrupt if it does not unfold.
  Slice content() const { return payload.part(header.meta, payload.size() - header.meta); }
  Result<Slice> unfolded() const;
};

// `bytes`: the record on disk, as the index says. `type` must match.
Result<StoredRecord> read_record(const File& file, std::uint32_t seed, Offset at,
                                 std::uint32_t bytes, RecordType type);

// The same from bytes in memory that start with the record's header.
Result<StoredRecord> parse_record(Slice bytes, std::uint32_t seed, Offset at);

struct StoredMessage {
  MessageMeta meta;
  Slice head;
  Slice body;  // empty when meta.parts > 0
};
Result<StoredMessage> message_from(const StoredRecord& record);

}  // namespace pannier::spool
