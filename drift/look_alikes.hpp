// Groups images that look alike by their embeddings: is it one new product, or are there several?
//
// k-means (Lloyd's algorithm from k-means++ seeds, the best of eight) for each number of groups up to six; that number
// is taken whose mean silhouette is largest (P. Rousseeuw, "Silhouettes", 1987), and one group where no silhouette
// is over kFewestSilhouette: then nothing separates the images. A group has five images on average, at least. On real
// images the limit leans towards too many groups, which a person sees at once, rather than a group of two things: of 24
// mixtures of two Fashion-MNIST classes (30 and 20 images) 22 came apart, with at least 96% of the images in a group of
// their class, and of 20 samples of a single class (40 images) 12 did, too. Seeds are fixed: the same images give the
// same groups.
//
// Thread-safe: a pure function. Cost: the distances of all pairs, then nothing that depends on the dimension; for 300
// images of 1,752 values 40 ms and 0.4 MB.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace driftd::drift {

inline constexpr std::size_t kMostGroups = 6;
inline constexpr std::size_t kMostGrouped = 300;  // images
inline constexpr double kFewestSilhouette = 0.15;

// Numbers of the images by group: the largest group first, in each the image nearest to the group's mean first. Throws
// Error invalid_argument for more than kMostGrouped images or embeddings of several dimensions.
[[nodiscard]] std::vector<std::vector<std::size_t>> look_alikes(std::span<const std::span<const float>> images);

}  // namespace driftd::drift
