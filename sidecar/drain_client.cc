#include "sidecar/drain_client.h"

#include "common/unix_http.h"

namespace pannier {
namespace {

constexpr HttpAnswerReader::Limits kLimits{.body_max = 64u << 10};

}  // namespace

Result<void> ask_to_drain(const std::string& socket_path, std::chrono::milliseconds limit) {
  UnixHttp agent(socket_path, kLimits);
  const auto answer = agent.request({"POST", "/drain", {{"Connection", "close"}}, ""}, limit);
  if (!answer) return answer.error();
  if (answer->status == 202) return {};
  return Error{Errc::access_denied, "the agent on '" + socket_path +
                                        "' does not drain: it answered '" + answer->status_line +
                                        "'"};
}

}  // namespace pannier
