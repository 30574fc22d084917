// The document and the routes name the same calls. What it says of answers is checked from outside,
// by tests/integration/test_openapi.py.
#include "sidecar/http/openapi.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "sidecar/http/api_routes.h"

namespace pannier::http {
namespace {

Request request_to(std::string_view path, std::string method) {
  Request request;
  request.method = std::move(method);
  for (path.remove_prefix(1); !path.empty();) {
    const std::size_t end = std::min(path.find('/'), path.size());
    request.segments.emplace_back(path.substr(0, end));
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return request;
}

TEST(Openapi, DescribesEachCallAndNoOther) {
  const auto document = nlohmann::json::parse(openapi_text());
  std::set<Call> described;
  for (const auto& [path, item] : document["paths"].items()) {
    for (const std::string method : {"get", "post", "put", "delete", "patch", "head"}) {
      std::string upper;
      for (const char each : method) upper += static_cast<char>(each - 32);
      const Route route = route_of(request_to(path, upper));
      EXPECT_EQ(route.call != Call::none, item.contains(method)) << upper << " " << path;
      if (route.call == Call::none) continue;
      EXPECT_TRUE(described.insert(route.call).second) << path;
      for (const auto& parameter : item[method].value("parameters", nlohmann::json::array())) {
        if (parameter["in"] != "query") continue;
        Request asks = request_to(path, upper);
        asks.query.emplace_back(parameter["name"], "x");
        EXPECT_TRUE(check_parameters(route, asks)) << path << " " << parameter["name"];
      }
    }
  }
  EXPECT_EQ(described.size(), static_cast<std::size_t>(Call::openapi));
}

}  // namespace
}  // namespace pannier::http
