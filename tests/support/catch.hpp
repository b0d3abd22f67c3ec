// The one include of Catch2, so that moving to another major version touches one line.
#pragma once

#include <catch2/catch.hpp>
