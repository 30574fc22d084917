// dev_config: what `pannier-agent dev` runs with: plaintext listeners on loopback and a spool in a
// folder, without an operator.
//
// Pure; any thread. Errors are bad_config, with the flag and what it may be.
#pragma once

#include <string>

#include "common/agent_config.h"

namespace pannier {

struct DevOptions {
  std::string data = "pannier-data";
  std::string amqp = "127.0.0.1:5672";  // port 0: any free one
  std::string http = "127.0.0.1:8000";
  std::string admin = "127.0.0.1:9471";
};

Result<AgentConfig> dev_config(const DevOptions& options);

}  // namespace pannier
