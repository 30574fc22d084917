#include "sidecar/http/request.h"

#include <gtest/gtest.h>

namespace pannier::http {
namespace {

TEST(Request, FindsFieldsWithoutCaseAndParametersWithIt) {
  Request request;
  request.fields = {{"Content-Type", "text/plain"}};
  request.query = {{"wait", "20s"}};
  EXPECT_EQ(request.field("content-type"), "text/plain");
  EXPECT_EQ(request.field("accept"), std::nullopt);
  EXPECT_EQ(request.parameter("wait"), "20s");
  EXPECT_EQ(request.parameter("Wait"), std::nullopt);
}

}  // namespace
}  // namespace pannier::http
