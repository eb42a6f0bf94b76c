"""Does a diffusion model that is fine-tuned on its own images leak more of those it was trained on?"""
