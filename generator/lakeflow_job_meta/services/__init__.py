"""What is done with a control table as a whole: loading, exporting, comparing."""
