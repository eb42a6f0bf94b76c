"""The library's derivatives of activations, which write where they are told."""

from __future__ import annotations

import torch

# (gradient, output, grad_input=...)
sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
tanh_backward = torch.ops.aten.tanh_backward.grad_input
# (gradient, output, axis, type); its out= form writes a wrong result into a view with gaps
softmax_backward = torch._softmax_backward_data
