// JournalPlaces: what stands where in the segment files of a memory disk, found with the formats'
// own decoders, so that a test can damage one thing and know which.
//
// Only what belongs to the file's present life. Places come in the order of the file.
#pragma once

#include <string>
#include <vector>

#include "sidecar/spool/format.h"
#include "tests/support/memory_disk.h"

namespace pannier::spool {

enum class PlaceKind : std::uint8_t {
  segment_header,
  batch_header,
  record_header,
  payload,
  trailer
};

struct JournalPlace {
  std::string file;
  SegmentNumber segment = 0;
  PlaceKind kind{};
  RecordType type{};  // of record headers and payloads
  Offset offset = 0;
  std::uint32_t size = 0;
  Offset batch = 0;        // of the batch around it; 0: none
  bool is_sealed = false;  // the segment has a trailer of this life
  RecordHeader header;     // of the record, for its two places
};

std::vector<JournalPlace> places_in(const MemoryDisk& disk, const std::string& file);
// Of all segments that have batches, by segment number.
std::vector<JournalPlace> places_in(const MemoryDisk& disk);

// "journal-000001.seg 8192: payload of a message", for people who read a failure.
std::string text_of(const JournalPlace& place);

}  // namespace pannier::spool
