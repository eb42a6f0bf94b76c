"""Networks: small ones written here, and torchvision's in sizes that suit small images."""
