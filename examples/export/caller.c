/* Calls the network in surface.c: its output, and its derivatives by the inputs. */
#include <stdio.h>

void surface(const double *x, double *y);
void surface_input_gradient(const double *x, const double *v, double *dx);

int main(void)
{
    const double x[2] = {0.5, -0.25}, v[1] = {1.0};
    double y[1], dx[2];

    surface(x, y);
    surface_input_gradient(x, v, dx);
    printf("%.17g %.17g %.17g\n", y[0], dx[0], dx[1]);
    return 0;
}
