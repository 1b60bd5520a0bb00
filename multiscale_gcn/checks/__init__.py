"""What users give: numbers that are checked, and arrays that nobody may change."""
