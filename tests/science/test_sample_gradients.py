import pytest
import torch
from shadow_bench import bench

from retrace.metrics import sample_gradients
from retrace.metrics.sample_gradients import input_gradient_norms, weight_gradient_norms
from retrace.training.fit import cross_entropies


def one_by_one(models, x, y):
    inputs, weights = [], []
    for g in range(len(models)):
        own = models.of([g])
        for xi, yi in zip(x, y, strict=True):
            xi = xi[None, None].clone().requires_grad_(True)
            loss = cross_entropies(own.forward(xi)[0], yi[None, None]).sum()
            gradients = torch.autograd.grad(loss, [xi, *own.params.values()])
            inputs.append(gradients[0].norm())
            weights.append(torch.stack([v.square().sum() for v in gradients[1:]]).sum().sqrt())
    return torch.stack(inputs).view(len(models), -1), torch.stack(weights).view(len(models), -1)


@pytest.mark.parametrize("network", ["mlp-tanh-8-6", "cnn"])
def test_norms_are_those_of_a_loop_over_samples(network):
    made = bench(network, epochs=1)
    x, y = made.x[:9], made.y[:9]
    inputs, weights = one_by_one(made.trained, x, y)
    assert torch.allclose(input_gradient_norms(made.trained, x, y, batch=4), inputs, rtol=1e-3, atol=1e-5)
    assert torch.allclose(weight_gradient_norms(made.trained, x, y, batch=4), weights, rtol=1e-3, atol=1e-5)


def test_an_error_on_the_fast_path_is_not_taken_for_another_network(monkeypatch):
    def fails(*_):
        raise ValueError("an error of its own")

    made = bench("mlp-tanh-8-6", epochs=1)
    monkeypatch.setattr(sample_gradients, "_by_layers", fails)
    with pytest.raises(ValueError, match="of its own"):
        weight_gradient_norms(made.trained, made.x[:9], made.y[:9])
