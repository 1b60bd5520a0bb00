"""A level in supersteps on partitions, for engines that carry messages and know nothing else."""
