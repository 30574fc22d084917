// SpoolModel: drives a spool with random actions through several lives with a power cut at the end
// of each, and checks what is found against what the spool has promised.
//
// What it holds the spool to: every message of a synced group that nobody tried to remove is there,
// with its body; whatever a synced group removed is gone; of an unsynced group all is there or
// nothing; sequences are in order and those that were delivered are never used again; values of
// synced groups are there; recovery calls nothing lost. All choices come from one seed.
#pragma once

#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/spool/model_keys.h"
#include "tests/spool/spool_harness.h"
#include "tests/spool/watching_disk.h"

namespace pannier::spool {

struct ModelRun {
  std::uint64_t seed = 1;
  int lives = 4;
  int actions = 300;
  std::vector<Codec> codecs = {Codec::none};  // of which each message takes one
  bool sync_is_a_lie = false;                 // to see that the model notices
  SpoolOptions options = small_options();
  NonceLog* nonces = nullptr;  // of every record that is written
  ModelKeys* keys = nullptr;   // rotated and retired while it lives
};

struct ModelCounts {
  int lives = 0;
  int published = 0;
  int removed = 0;
  int groups = 0;
  int shared = 0;
  int unsynced_kept = 0;
  int unsynced_lost = 0;
  std::uint64_t segments = 0;
  std::uint64_t compacted_bytes = 0;
};

// Problems found, as sentences; empty when the spool kept its promises.
std::vector<std::string> run_model(const ModelRun& run, ModelCounts& counts);

}  // namespace pannier::spool
