"""Language models: loading, chat text, and the kernels and judges that studies share."""
