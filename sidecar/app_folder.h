// AppFolder: what the app beside this agent is given: the folder that PANNIER_DIR names, with the
// CA, the credential and the URLs of its own endpoint; and the certificates that the endpoint
// shows.
//
// The CA and the password are made once in the pod's life and kept in the agent's own folder
// (files 0600), so that an agent that restarts uses them again and an app that runs never has to
// read anything anew. The leaf is never on disk: it is made here, for a day, and made again before
// it ends. Owned by Agent; loop thread once it is made, which blocks. Errors name the file.
#pragma once

#include <string>
#include <vector>

#include "common/agent_config.h"
#include "common/certificate_authority.h"

namespace pannier {

class AppFolder {
 public:
  static constexpr const char* kUser = "app";
  static constexpr std::chrono::hours kLeafValidity{24};

  // Takes up, or makes, what the app is given, and writes its folder.
  static Result<AppFolder> open(const AgentConfig& config, WallTime now);

  const std::string& user() const { return user_; }
  const std::string& password() const { return password_; }

  struct Leaf {
    std::string certificate_pem;
    std::string key_pem;
    WallTime not_after;
  };
  // For localhost and every loopback address that we listen on.
  Result<Leaf> make_leaf(WallTime now) const;

 private:
  AppFolder(Authority ca, std::string password, std::vector<std::string> addresses)
      : ca_(std::move(ca)), password_(std::move(password)), addresses_(std::move(addresses)) {}
  Result<void> write(const AgentConfig& config) const;

  Authority ca_;
  std::string user_ = kUser;
  std::string password_;
  std::vector<std::string> addresses_;
};

}  // namespace pannier
