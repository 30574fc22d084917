// Samples: entries and segments for the tests of what the spool keeps in memory.
//
// Values; segments get a file on the test's memory disk where one is given.
#pragma once

#include <memory>
#include <vector>

#include "sidecar/spool/segment.h"
#include "tests/support/memory_disk.h"

namespace pannier::spool {

inline SegmentHeader sample_header(SegmentNumber number, std::uint32_t bytes = kSegmentBytesMin) {
  SegmentHeader header;
  header.number = number;
  header.salt.fill(static_cast<std::byte>(number + 1));
  header.segment_bytes = bytes;
  return header;
}

inline SegmentFile sample_file(MemoryDisk& disk, const std::string& name, std::uint32_t bytes) {
  disk.plant(name, Bytes(bytes));
  return {name, std::shared_ptr<File>(std::move(disk.open(name).value()))};
}

// An entry of `segment` with nothing that is optional.
inline Entry sample_entry(SegmentNumber segment, Ordinal ordinal, QueueId queue, Sequence sequence,
                          Priority priority = 0) {
  Entry entry;
  entry.segment = segment;
  entry.ordinal = ordinal;
  entry.queue = queue;
  entry.sequence = sequence;
  entry.priority = priority;
  entry.offset = kPageSize + 64 + 128u * ordinal;
  entry.record_bytes = 128;
  entry.share_bytes = 100;
  entry.message_bytes = 40;
  return entry;
}

inline void expect_same(const Entry& a, const Entry& b) {
  EXPECT_EQ(a.segment, b.segment);
  EXPECT_EQ(a.sequence, b.sequence);
  EXPECT_EQ(a.published, b.published);
  EXPECT_EQ(a.due, b.due);
  EXPECT_EQ(a.expiry, b.expiry);
  EXPECT_EQ(a.group, b.group);
  EXPECT_EQ(a.queue, b.queue);
  EXPECT_EQ(a.offset, b.offset);
  EXPECT_EQ(a.record_bytes, b.record_bytes);
  EXPECT_EQ(a.share_bytes, b.share_bytes);
  EXPECT_EQ(a.message_bytes, b.message_bytes);
  EXPECT_EQ(a.ordinal, b.ordinal);
  EXPECT_EQ(a.delivery_count, b.delivery_count);
  EXPECT_EQ(a.acquired_count, b.acquired_count);
  EXPECT_EQ(a.reason, b.reason);
  EXPECT_EQ(a.priority, b.priority);
  EXPECT_EQ(a.redelivered, b.redelivered);
  EXPECT_EQ(a.transient, b.transient);
}

inline std::vector<Sequence> sequences_of(const std::vector<Entry>& entries) {
  std::vector<Sequence> sequences;
  for (const Entry& entry : entries) sequences.push_back(entry.sequence);
  return sequences;
}

}  // namespace pannier::spool
