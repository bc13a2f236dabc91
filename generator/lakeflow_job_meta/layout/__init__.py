"""Which generated file goes where: one bundle, or the jobs of a project partitioned into many."""
