// Transaction: what a client has published and acknowledged since its last tx.commit: to be done
// together, or not at all (registry_tx.cc).
//
// A value; loop thread. It holds its queues: those may be gone by the time it is committed.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sidecar/queue/consumer.h"

namespace pannier::queue {

struct Transaction {
  struct Publish {
    std::vector<std::shared_ptr<Queue>> queues;
    MessagePtr message;
  };
  struct Ack {
    std::shared_ptr<Queue> queue;
    Receipt receipt;
  };
  std::vector<Publish> publishes;
  std::vector<Ack> acks;
};

struct Committed {
  struct Outcome {
    bool routed = false;  // some queue of it is still there
    bool taken = false;   // by one at least
  };
  std::vector<Outcome> publishes;
  Commit commit = 0;     // what the answer waits for; 0: nothing
  bool refused = false;  // a queue's limit said no to a message; the rest is done
  std::string why;
};

}  // namespace pannier::queue
