// Records: read back by their place, all checks made, and put down, encrypted or plain.
//
// Runs on the pool (a queue paging, compaction) or at start (recovery); blocks on the disk.
// Whatever does not match its checksum, its type or its layout is corrupt, with the file offset in
// the detail.
#pragma once

#include <cstdint>

#include "common/buffer.h"
#include "sidecar/spool/disk.h"
#include "sidecar/spool/payload.h"
#include "sidecar/spool/segment_key.h"

namespace pannier::spool {

struct StoredRecord {
  RecordHeader header;
  Slice payload;  // verified, and opened if it was encrypted

  ByteView meta() const { return payload.view().first(header.meta); }
  // As it lies there, compressed perhaps, and as it was published: corrupt if it does not unfold.
  Slice content() const { return payload.part(header.meta, payload.size() - header.meta); }
  Result<Slice> unfolded() const;
};

// `bytes`: the record on disk, as the index says. `type` must match.
Result<StoredRecord> read_record(const File& file, const RecordKeys& keys, Offset at,
                                 std::uint32_t bytes, RecordType type);

// The same from bytes in memory that start with the record's header. With a key the record must
// have been encrypted with it, at this place, and corrupt is the answer for any other.
Result<StoredRecord> parse_record(Slice bytes, const RecordKeys& keys, Offset at);
// Whether checksums hold and this release knows what the header says; takes no key.
Result<RecordHeader> check_record(const Slice& bytes, std::uint32_t seed, Offset at);

// What the header says of the payload's bytes, for a payload of that size before encryption.
void set_stored(RecordHeader& header, std::uint32_t size, const RecordKeys& keys);
// The record as it lies there, without padding, at `to`. Encrypts, if there is a key; each time
// with a new nonce.
void write_record(RecordHeader& header, std::span<const ByteView> payload, const RecordKeys& keys,
                  Offset at, std::byte* to);

struct StoredMessage {
  MessageMeta meta;
  Slice head;
  Slice body;  // empty when meta.parts > 0
};
Result<StoredMessage> message_from(const StoredRecord& record);

}  // namespace pannier::spool
